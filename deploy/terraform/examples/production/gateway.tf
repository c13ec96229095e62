# The way in from outside: a load balancer, and behind it an API gateway of the mesh. What it
# listens on and where its routes lead is in Consul: the api-gateway and http-route config entries.

module "edge" {
  source = "../../gateway-task"

  family                   = "edge"
  kind                     = "api-gateway"
  mesh_image               = "${local.registry}/meshtask-mesh:1.0"
  ecs_cluster_arn          = aws_ecs_cluster.shop.arn
  gateway_count            = 2
  subnets                  = var.subnets
  security_groups          = [aws_security_group.mesh.id]
  requires_compatibilities = ["FARGATE"]
  runtime_platform         = local.platform
  log_configuration        = local.logs["edge"]
  meshtask_config          = local.metrics

  retry_join                     = [var.consul_address]
  tls                            = true
  consul_server_ca_cert_arn      = var.ca_cert_arn
  gossip_key_secret_arn          = var.gossip_key_arn
  acls                           = true
  acl_secret_name_prefix         = "shop"
  consul_client_token_secret_arn = module.acl_controller.client_token_secret_arn

  custom_load_balancer_config = [{ target_group_arn = aws_lb_target_group.edge.arn, container_port = 8443 }]

  # ECS takes no target group that no listener has.
  depends_on = [aws_lb_listener.edge]
}

resource "aws_lb" "edge" {
  name               = "edge"
  load_balancer_type = "application"
  subnets            = var.public_subnets
  security_groups    = [aws_security_group.edge.id]
}

# The delay is deregistration_delay of the module, for which the gateway goes on after TERM.
resource "aws_lb_target_group" "edge" {
  name                 = "edge"
  port                 = 8443
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 15

  # Whatever the routes say of /: that Envoy answers is enough, and ECS asks the gateway itself.
  health_check {
    path     = "/"
    matcher  = "200-499"
    interval = 10
  }
}

resource "aws_lb_listener" "edge" {
  load_balancer_arn = aws_lb.edge.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.edge.arn
  }
}

resource "aws_security_group" "edge" {
  name        = "edge"
  description = "Load balancer before the API gateway"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "edge" {
  security_group_id = aws_security_group.edge.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "everybody, by HTTPS"
}

resource "aws_vpc_security_group_egress_rule" "edge" {
  security_group_id            = aws_security_group.edge.id
  referenced_security_group_id = aws_security_group.mesh.id
  ip_protocol                  = "tcp"
  from_port                    = 8443
  to_port                      = 8443
  description                  = "the gateway"
}

resource "aws_vpc_security_group_ingress_rule" "from_edge" {
  security_group_id            = aws_security_group.mesh.id
  referenced_security_group_id = aws_security_group.edge.id
  ip_protocol                  = "tcp"
  from_port                    = 8443
  to_port                      = 8443
  description                  = "the load balancer, to the API gateway"
}
