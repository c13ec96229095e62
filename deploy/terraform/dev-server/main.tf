# One Consul server: for a try, not for production. Before it starts, three containers
# read its secrets, make those that are missing, and put them into Secrets Manager.

locals {
  name        = "${var.name_prefix}-consul-server"
  namespace   = "${var.name_prefix}.internal"
  server_name = "server.${local.namespace}"
  shared      = "/consul/shared"
  consul_user = "100:1000" # of the image

  # TLS to everybody; plain http within the task only.
  server_config = merge({
    server           = true
    bootstrap_expect = 1
    node_name        = local.name
    datacenter       = var.datacenter
    data_dir         = "/consul/data"
    client_addr      = "0.0.0.0"
    bind_addr        = "{{ GetPrivateIP }}"
    log_level        = "INFO"
    ui_config        = { enabled = true }
    connect          = { enabled = true }
    addresses        = { http = "127.0.0.1" }
    ports            = { http = 8500, https = 8501, grpc = -1, grpc_tls = 8503, dns = -1 }
    auto_encrypt     = { allow_tls = true }
    acl              = { enabled = true, default_policy = "deny", enable_token_persistence = true }
    tls = {
      defaults     = { ca_file = "${local.shared}/ca-cert", cert_file = "${local.shared}/server-cert", key_file = "${local.shared}/server-key", verify_outgoing = true }
      internal_rpc = { verify_incoming = true, verify_server_hostname = true }
    }
    config_entries = { bootstrap = var.config_entries }
  }, var.consul_configuration)

  shared_mount = { sourceVolume = "shared", containerPath = local.shared }
  environment = [for name, value in {
    SHARED        = local.shared
    PREFIX        = var.name_prefix
    DATACENTER    = var.datacenter
    SERVER_NAME   = local.server_name
    SERVER_CONFIG = jsonencode(local.server_config)
    OWNER         = local.consul_user
  } : { name = name, value = value }]

  # Each begins when the one before it has ended with 0.
  steps = ["read", "make", "write"]
  first = [for i, step in local.steps : { for k, v in {
    name             = "${step}-secrets"
    image            = step == "make" ? var.consul_image : var.aws_cli_image
    essential        = false
    user             = "0"
    entryPoint       = ["/bin/sh", "-c"]
    command          = [file("${path.module}/scripts/${step}.sh")]
    environment      = local.environment
    mountPoints      = [local.shared_mount]
    dependsOn        = i == 0 ? null : [{ containerName = "${local.steps[i - 1]}-secrets", condition = "SUCCESS" }]
    logConfiguration = var.log_configuration
  } : k => v if v != null }]

  server = { for k, v in {
    name       = "consul-server"
    image      = var.consul_image
    essential  = true
    user       = local.consul_user
    entryPoint = ["consul"]
    command    = ["agent", "-config-dir=${local.shared}/config"]
    # By these two consul in this container is the operator's: the check's, and ECS Exec's.
    environment      = [{ name = "CONSUL_HTTP_ADDR", value = "http://127.0.0.1:8500" }, { name = "CONSUL_HTTP_TOKEN_FILE", value = "${local.shared}/bootstrap-token" }]
    mountPoints      = concat([local.shared_mount], [for m in [{ sourceVolume = "data", containerPath = "/consul/data" }] : m if var.persistent])
    portMappings     = [for p in [8300, 8301, 8501, 8503] : { containerPort = p, protocol = "tcp" }]
    dependsOn        = [{ containerName = "write-secrets", condition = "SUCCESS" }]
    healthCheck      = { command = ["CMD", "consul", "operator", "raft", "list-peers"], interval = 10, timeout = 5, retries = 3, startPeriod = 60 }
    stopTimeout      = 30
    logConfiguration = var.log_configuration
  } : k => v if v != null }
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.name
  requires_compatibilities = [var.launch_type]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = jsonencode(concat(local.first, [local.server]))
  tags                     = var.tags

  dynamic "runtime_platform" {
    for_each = var.runtime_platform == null ? [] : [var.runtime_platform]
    content {
      cpu_architecture        = runtime_platform.value.cpu_architecture
      operating_system_family = runtime_platform.value.operating_system_family
    }
  }

  volume {
    name = "shared"
  }

  dynamic "volume" {
    for_each = aws_efs_access_point.data
    content {
      name = "data"
      efs_volume_configuration {
        file_system_id     = volume.value.file_system_id
        transit_encryption = "ENABLED"
        authorization_config {
          access_point_id = volume.value.id
        }
      }
    }
  }
}

# Never two at once: they would be two servers that each call themselves the cluster.
resource "aws_ecs_service" "this" {
  name                               = local.name
  cluster                            = var.ecs_cluster_arn
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = 1
  launch_type                        = var.launch_type
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  enable_execute_command             = var.enable_execute_command
  health_check_grace_period_seconds  = length(var.ui_subnets) == 0 ? null : 120
  wait_for_steady_state              = var.wait_for_steady_state
  propagate_tags                     = "TASK_DEFINITION"
  tags                               = var.tags

  network_configuration {
    subnets          = var.subnets
    security_groups  = [aws_security_group.server.id]
    assign_public_ip = var.assign_public_ip
  }

  service_registries {
    registry_arn = aws_service_discovery_service.server.arn
  }

  dynamic "load_balancer" {
    for_each = aws_lb_target_group.ui
    content {
      target_group_arn = load_balancer.value.arn
      container_name   = "consul-server"
      container_port   = 8501
    }
  }

  depends_on = [aws_iam_role_policy.task, aws_iam_role_policy.execution, aws_vpc_security_group_egress_rule.server, aws_lb_listener.ui, aws_efs_mount_target.data]

  lifecycle {
    precondition {
      condition     = var.launch_type == "FARGATE" || !var.assign_public_ip
      error_message = "Tasks on EC2 instances get no public address: leave assign_public_ip, and give private subnets with a NAT gateway."
    }
    precondition {
      condition     = (length(var.ui_subnets) == 0) == (length(var.ui_ingress_cidrs) == 0)
      error_message = "The ui_subnets and ui_ingress_cidrs go together."
    }
  }
}

resource "aws_service_discovery_private_dns_namespace" "this" {
  name        = local.namespace
  description = "Consul servers of ${var.name_prefix}"
  vpc         = var.vpc_id
  tags        = var.tags
}

resource "aws_service_discovery_service" "server" {
  name          = "server"
  force_destroy = true
  tags          = var.tags

  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.this.id
    routing_policy = "MULTIVALUE"
    dns_records {
      type = "A"
      ttl  = 10
    }
  }
}
