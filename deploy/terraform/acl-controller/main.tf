# Without a version: the controller writes the first one, and no token is in
# Terraform's state.
resource "aws_secretsmanager_secret" "client_token" {
  name                    = "${var.name_prefix}-consul-client-token"
  description             = "Consul ACL token of the client agents, kept by meshtask acl-controller"
  recovery_window_in_days = 0
  tags                    = var.tags
}

locals {
  command = concat(
    ["acl-controller"],
    var.desired_count > 1 ? ["--ha"] : [],
    var.iam_role_path != "" ? ["--iam-role-path", var.iam_role_path] : concat(
      var.agentless == "true" ? [] : ["--consul-client-secret-arn", aws_secretsmanager_secret.client_token.arn],
      ["--secret-name-prefix", var.name_prefix],
    ),
    var.agentless == "" ? [] : [var.agentless == "true" ? "--agentless" : "--agentless=${var.agentless}"],
    var.create_secrets ? ["--create-secrets"] : [],
    var.consul_partitions_enabled ? ["--partitions-enabled", "--partition", var.consul_partition] : [],
    var.extra_args,
  )

  container = { for k, v in {
    name        = "consul-acl-controller"
    image       = var.meshtask_image
    essential   = true
    entryPoint  = ["meshtask"]
    command     = local.command
    environment = [{ name = "CONSUL_HTTP_ADDR", value = var.consul_server_http_addr }]
    secrets = [for s in [
      { name = "CONSUL_HTTP_TOKEN", valueFrom = var.consul_bootstrap_token_secret_arn },
      { name = "CONSUL_CACERT_PEM", valueFrom = var.consul_server_ca_cert_arn },
    ] : s if s.valueFrom != ""]
    user                   = "65534:65534"
    readonlyRootFilesystem = true
    stopTimeout            = 30
    logConfiguration       = var.log_configuration
  } : k => v if v != null }
}

resource "aws_ecs_task_definition" "this" {
  family                   = "${var.name_prefix}-consul-acl-controller"
  requires_compatibilities = var.requires_compatibilities
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = jsonencode([local.container])
  tags                     = var.tags

  dynamic "runtime_platform" {
    for_each = var.runtime_platform == null ? [] : [var.runtime_platform]
    content {
      cpu_architecture        = runtime_platform.value.cpu_architecture
      operating_system_family = runtime_platform.value.operating_system_family
    }
  }

  lifecycle {
    precondition {
      condition     = var.consul_partitions_enabled || var.consul_partition == "default"
      error_message = "There is a consul_partition and consul_partitions_enabled is false."
    }
  }
}

resource "aws_ecs_service" "this" {
  name            = "consul-acl-controller"
  cluster         = var.ecs_cluster_arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.desired_count
  launch_type     = var.launch_type
  propagate_tags  = "TASK_DEFINITION"
  tags            = var.tags

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnets
    security_groups  = var.security_groups
    assign_public_ip = var.assign_public_ip
  }
}
