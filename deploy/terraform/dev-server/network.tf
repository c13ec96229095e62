# deploy/README.md says what each port is for.

resource "aws_security_group" "server" {
  name        = local.name
  description = "The Consul server of ${var.name_prefix}"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

locals {
  # for each group of clients, which is a place in a list: its ID may be unknown while planning
  ports = { rpc = ["tcp", 8300], gossip-tcp = ["tcp", 8301], gossip-udp = ["udp", 8301], https = ["tcp", 8501], xds-tls = ["tcp", 8503] }
  from_clients = merge([for i in range(length(var.client_security_groups)) : {
    for name, rule in local.ports : "${name}-${i}" => { group = i, protocol = rule[0], port = rule[1] }
  }]...)
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = local.from_clients

  security_group_id            = aws_security_group.server.id
  referenced_security_group_id = var.client_security_groups[each.value.group]
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = "from the mesh"
}

resource "aws_vpc_security_group_egress_rule" "server" {
  security_group_id = aws_security_group.server.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
  description       = "everything outward"
}

# The UI, by a load balancer.

locals {
  ui = length(var.ui_subnets) > 0 ? 1 : 0
}

resource "aws_security_group" "ui" {
  count = local.ui

  name        = "${local.name}-ui"
  description = "The load balancer of Consul's UI"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "ui" {
  for_each = local.ui == 1 ? toset(var.ui_ingress_cidrs) : []

  security_group_id = aws_security_group.ui[0].id
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
  description       = "the UI"
}

resource "aws_vpc_security_group_egress_rule" "ui" {
  count = local.ui

  security_group_id            = aws_security_group.ui[0].id
  referenced_security_group_id = aws_security_group.server.id
  ip_protocol                  = "tcp"
  from_port                    = 8501
  to_port                      = 8501
  description                  = "to the server"
}

resource "aws_vpc_security_group_ingress_rule" "from_ui" {
  count = local.ui

  security_group_id            = aws_security_group.server.id
  referenced_security_group_id = aws_security_group.ui[0].id
  ip_protocol                  = "tcp"
  from_port                    = 8501
  to_port                      = 8501
  description                  = "the UI's load balancer"
}

resource "aws_lb" "ui" {
  count = local.ui

  name               = "${var.name_prefix}-ui"
  load_balancer_type = "application"
  subnets            = var.ui_subnets
  security_groups    = [aws_security_group.ui[0].id]
  tags               = var.tags
}

resource "aws_lb_target_group" "ui" {
  count = local.ui

  name                 = "${var.name_prefix}-ui"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTPS"
  port                 = 8501
  deregistration_delay = 10
  tags                 = var.tags

  health_check {
    protocol = "HTTPS"
    path     = "/v1/status/leader"
  }
}

resource "aws_lb_listener" "ui" {
  count = local.ui

  load_balancer_arn = aws_lb.ui[0].arn
  protocol          = "HTTP"
  port              = 80
  tags              = var.tags

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.ui[0].arn
  }
}
