# A shop on a cluster of the same name: the ACL controller, a service in one
# container (web), one with sibling containers (shop), one whose image stays as it is
# (api), a nightly job (migrate) and, in gateway.tf, the way in from outside (edge).
# The Consul servers are elsewhere (docs/consul-servers.md). These are the task
# definitions of deploy/*.json; a test compares them.

provider "aws" {
  region = var.region
}

resource "aws_ecs_cluster" "shop" {
  name = "shop"
}

resource "aws_cloudwatch_log_group" "shop" {
  name              = "/ecs/shop"
  retention_in_days = 30
}

locals {
  registry = "${var.account}.dkr.ecr.${var.region}.amazonaws.com"

  logs = { for prefix in ["acl-controller", "web", "images", "api", "migrate", "edge"] : prefix => {
    logDriver = "awslogs"
    options = {
      "awslogs-group"         = aws_cloudwatch_log_group.shop.name
      "awslogs-region"        = var.region
      "awslogs-stream-prefix" = prefix
    }
  } }

  # Of all images: one that was built for the other ends with exec format error.
  platform = { cpu_architecture = var.cpu_architecture, operating_system_family = "LINUX" }

  # The deployment alarms' metrics.
  metrics = { for k, v in { log = { emf = { namespace = var.metrics_namespace } } } : k => v if var.metrics_namespace != "" }
}

module "acl_controller" {
  source = "../../acl-controller"

  name_prefix                       = "shop"
  region                            = var.region
  ecs_cluster_arn                   = aws_ecs_cluster.shop.arn
  meshtask_image                    = "${local.registry}/meshtask-mesh:1.0"
  consul_server_http_addr           = "https://${var.consul_address}:8501"
  consul_bootstrap_token_secret_arn = var.bootstrap_token_arn
  consul_server_ca_cert_arn         = var.ca_cert_arn
  subnets                           = var.subnets
  security_groups                   = [aws_security_group.mesh.id]
  requires_compatibilities          = ["FARGATE"]
  runtime_platform                  = local.platform
  log_configuration                 = local.logs["acl-controller"]
}

module "web" {
  source = "../../mesh-task"

  family                   = "web"
  requires_compatibilities = ["FARGATE"]
  runtime_platform         = local.platform
  port                     = 8080
  upstreams                = [{ destinationName = "api", localBindPort = 9191 }]
  log_configuration        = local.logs["web"]

  # meshtask asks itself, so the image needs no shell and no curl.
  meshtask_config = merge(local.metrics, {
    app    = { ready = { http = "http://127.0.0.1:8080/health" } }
    health = { app = { http = "http://127.0.0.1:8080/health" } }
  })

  container_definitions = [{
    name         = "web"
    image        = "${local.registry}/web:1.4"
    essential    = true
    command      = ["/app/server", "--listen", "127.0.0.1:8080"]
    portMappings = [{ containerPort = 8080, protocol = "tcp" }]
  }]

  retry_join                     = [var.consul_address]
  tls                            = true
  consul_server_ca_cert_arn      = var.ca_cert_arn
  gossip_key_secret_arn          = var.gossip_key_arn
  acls                           = true
  acl_secret_name_prefix         = "shop"
  consul_client_token_secret_arn = module.acl_controller.client_token_secret_arn
}

module "shop" {
  source = "../../mesh-task"

  family                   = "shop"
  mesh_image               = "${local.registry}/meshtask-mesh:1.0"
  requires_compatibilities = ["FARGATE"]
  runtime_platform         = local.platform
  cpu                      = 512
  memory                   = 1024
  port                     = 8080
  stop_timeout             = 57
  meshtask_config          = local.metrics
  upstreams                = [{ destinationName = "api", localBindPort = 9191 }]
  log_configuration        = local.logs["web"]

  container_definitions = [
    {
      name         = "web"
      image        = "${local.registry}/shop-web:1.4"
      essential    = true
      entryPoint   = ["/web"]
      command      = ["--listen", "127.0.0.1:8080"]
      healthCheck  = { command = ["CMD", "/web", "check"], interval = 5 }
      portMappings = [{ containerPort = 8080 }]
    },
    {
      name             = "images"
      image            = "${local.registry}/shop-images:2.0"
      essential        = true
      entryPoint       = ["/images"]
      command          = ["--listen", "127.0.0.1:8081"]
      healthCheck      = { command = ["CMD", "/images", "check"], interval = 5 }
      logConfiguration = local.logs["images"]
    },
  ]

  retry_join                     = [var.consul_address]
  tls                            = true
  consul_server_ca_cert_arn      = var.ca_cert_arn
  gossip_key_secret_arn          = var.gossip_key_arn
  acls                           = true
  acl_secret_name_prefix         = "shop"
  consul_client_token_secret_arn = module.acl_controller.client_token_secret_arn
}

module "api" {
  source = "../../mesh-task"

  family                   = "api"
  inject                   = true
  mesh_image               = "${local.registry}/meshtask-mesh:1.0"
  requires_compatibilities = ["FARGATE"]
  runtime_platform         = local.platform
  cpu                      = 512
  memory                   = 1024
  port                     = 8080
  stop_timeout             = 57
  meshtask_config          = local.metrics
  upstreams                = [{ destinationName = "db", localBindPort = 5432 }]
  log_configuration        = local.logs["api"]

  # docker inspect IMAGE: the command and the stop signal that the image declares.
  image_configs = { api = jsondecode(file("${path.module}/api-image.json")) }

  container_definitions = [{
    name         = "api"
    image        = "${local.registry}/api:2.1"
    essential    = true
    portMappings = [{ containerPort = 8080 }]
  }]

  retry_join                     = [var.consul_address]
  tls                            = true
  consul_server_ca_cert_arn      = var.ca_cert_arn
  gossip_key_secret_arn          = var.gossip_key_arn
  acls                           = true
  acl_secret_name_prefix         = "shop"
  consul_client_token_secret_arn = module.acl_controller.client_token_secret_arn
}

module "migrate" {
  source = "../../mesh-task"

  family                   = "migrate"
  job                      = true
  requires_compatibilities = ["FARGATE"]
  runtime_platform         = local.platform
  upstreams                = [{ destinationName = "db", localBindPort = 5432 }]
  log_configuration        = local.logs["migrate"]

  container_definitions = [{
    name      = "migrate"
    image     = "${local.registry}/migrate:1.4"
    essential = true
    command   = ["/app/migrate", "up"]
  }]

  retry_join                     = [var.consul_address]
  tls                            = true
  consul_server_ca_cert_arn      = var.ca_cert_arn
  gossip_key_secret_arn          = var.gossip_key_arn
  acls                           = true
  acl_secret_name_prefix         = "shop"
  consul_client_token_secret_arn = module.acl_controller.client_token_secret_arn
}
