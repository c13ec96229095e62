# What dev-server-fargate and dev-server-ec2 have in common: a cluster, one Consul
# server, the ACL controller, and two services whose image is as its maker made it.

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = 7
}

# The one image that is ours: apps keep theirs.

resource "aws_ecr_repository" "mesh" {
  count = var.mesh_image == "" ? 1 : 0

  name         = "${var.name}-meshtask-mesh"
  force_delete = true
}

resource "terraform_data" "image" {
  count = var.mesh_image == "" ? 1 : 0

  input            = "${aws_ecr_repository.mesh[0].repository_url}:dev"
  triggers_replace = [aws_ecr_repository.mesh[0].repository_url, var.cpu_architecture]

  provisioner "local-exec" {
    command = "${path.module}/push.sh '${self.input}' ${var.cpu_architecture} ${var.region}"
  }
}

locals {
  mesh_image = var.mesh_image != "" ? var.mesh_image : terraform_data.image[0].output
  platform   = { cpu_architecture = var.cpu_architecture, operating_system_family = "LINUX" }
  metrics    = "meshtask"

  logs = { for prefix in ["server", "acl-controller", "client", "greeter"] : prefix => {
    logDriver = "awslogs"
    options = {
      "awslogs-group"         = aws_cloudwatch_log_group.this.name
      "awslogs-region"        = var.region
      "awslogs-stream-prefix" = prefix
    }
  } }
}

module "dev_server" {
  source = "../../dev-server"

  name_prefix            = var.name
  vpc_id                 = aws_vpc.this.id
  subnets                = aws_subnet.private[*].id
  client_security_groups = [aws_security_group.mesh.id]
  ecs_cluster_arn        = aws_ecs_cluster.this.arn
  launch_type            = var.launch_type
  runtime_platform       = local.platform
  ui_subnets             = aws_subnet.public[*].id
  ui_ingress_cidrs       = ["${var.caller_ip}/32"]
  enable_execute_command = true
  log_configuration      = local.logs["server"]

  # Who may call whom; all else is denied.
  config_entries = [
    { Kind = "service-defaults", Name = "greeter", Protocol = "http" },
    { Kind = "service-intentions", Name = "greeter", Sources = [{ Name = "client", Action = "allow" }] },
  ]

  depends_on = [aws_route_table_association.private]
}

module "acl_controller" {
  source = "../../acl-controller"

  name_prefix                       = var.name
  region                            = var.region
  ecs_cluster_arn                   = aws_ecs_cluster.this.arn
  meshtask_image                    = local.mesh_image
  desired_count                     = 1
  launch_type                       = var.launch_type
  requires_compatibilities          = [var.launch_type]
  runtime_platform                  = local.platform
  consul_server_http_addr           = module.dev_server.http_addr
  consul_bootstrap_token_secret_arn = module.dev_server.bootstrap_token_arn
  consul_server_ca_cert_arn         = module.dev_server.ca_cert_arn
  subnets                           = aws_subnet.private[*].id
  security_groups                   = [aws_security_group.mesh.id]
  log_configuration                 = local.logs["acl-controller"]
}

locals {
  # https://github.com/nicholasjackson/fake-service: it answers, and calls its upstreams.
  app_image  = "docker.io/nicholasjackson/fake-service:v0.26.2"
  app_config = jsondecode(file("${path.module}/fake-service.json"))

  services = {
    client = {
      listen      = "0.0.0.0:9090" # for the load balancer
      upstreams   = [{ destinationName = "greeter", localBindPort = 9191 }]
      environment = { UPSTREAM_URIS = "http://127.0.0.1:9191" }
      balancers   = [{ target_group_arn = aws_lb_target_group.client.arn, container_name = "client", container_port = 9090 }]
    }
    greeter = {
      listen      = "127.0.0.1:9090" # for Envoy alone
      upstreams   = []
      environment = { MESSAGE = "hello from the mesh" }
      balancers   = []
    }
  }
}

module "task" {
  source   = "../../mesh-task"
  for_each = local.services

  family                   = "${var.name}-${each.key}"
  consul_service_name      = each.key
  port                     = 9090
  upstreams                = each.value.upstreams
  requires_compatibilities = [var.launch_type]
  runtime_platform         = local.platform
  log_configuration        = local.logs[each.key]
  enable_execute_command   = true

  # As long as the service's grace is: the first tasks may wait for the controller's first tokens.
  health_check_start_period = 270

  # The image stays as it is: meshtask comes by a volume, before the command that the image declares.
  inject        = true
  mesh_image    = local.mesh_image
  image_configs = { (each.key) = local.app_config }
  container_definitions = [{
    name         = each.key
    image        = local.app_image
    essential    = true
    portMappings = [{ containerPort = 9090, protocol = "tcp" }]
    environment  = [for k, v in merge(each.value.environment, { NAME = each.key, LISTEN_ADDR = each.value.listen }) : { name = k, value = v }]
  }]

  meshtask_config = { log = { emf = { namespace = local.metrics } } }

  retry_join                     = module.dev_server.retry_join
  tls                            = true
  consul_server_ca_cert_arn      = module.dev_server.ca_cert_arn
  gossip_key_secret_arn          = module.dev_server.gossip_key_arn
  acls                           = true
  acl_secret_name_prefix         = var.name
  consul_client_token_secret_arn = module.acl_controller.client_token_secret_arn
}

module "service" {
  source   = "../../mesh-service"
  for_each = local.services

  name                              = each.key
  ecs_cluster_arn                   = aws_ecs_cluster.this.arn
  task_definition_arn               = module.task[each.key].task_definition_arn
  desired_count                     = 1
  launch_type                       = var.launch_type
  subnets                           = aws_subnet.private[*].id
  security_groups                   = [aws_security_group.mesh.id]
  load_balancers                    = each.value.balancers
  health_check_grace_period_seconds = module.task[each.key].health_check_grace_period_seconds
  enable_execute_command            = true
  metrics_namespace                 = local.metrics

  depends_on = [aws_lb_listener.client]
}
