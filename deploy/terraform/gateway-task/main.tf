locals {
  service_secret = var.consul_partition == "" ? module.definition.service_name : "${module.definition.service_name}-${module.definition.namespace}-${var.consul_partition}"
  secret_made    = module.definition.acls && var.acl_secret_name_prefix != "" && var.create_service_secret
  wan_address    = var.lb_enabled ? aws_lb.this[0].dns_name : var.wan_address
}

# Without a version: the ACL controller writes the first one.
resource "aws_secretsmanager_secret" "service_token" {
  count = local.secret_made ? 1 : 0

  name                    = "${var.acl_secret_name_prefix}-${local.service_secret}"
  description             = "Consul ACL token of ${module.definition.service_name}, kept by meshtask acl-controller"
  recovery_window_in_days = 0
  tags                    = var.tags
}

# terraform-aws-consul-ecs's default is true, so nothing ends because of it.
check "transparent_proxy" {
  assert {
    condition     = !var.enable_transparent_proxy
    error_message = "The enable_transparent_proxy is not used: a gateway has no transparent proxying. Leave it out."
  }
}

# What is in the containers is written there, and needs no provider.
module "definition" {
  source = "./modules/definition"

  family                             = var.family
  kind                               = var.kind
  mesh_image                         = var.mesh_image
  stop_timeout                       = var.stop_timeout
  deregistration_delay               = var.deregistration_delay
  health_check_start_period          = var.health_check_start_period
  meshtask_config                    = var.meshtask_config
  extra_container_definitions        = var.extra_container_definitions
  volumes                            = var.volumes
  readonly_root_filesystem           = var.readonly_root_filesystem
  consul_service_name                = var.consul_service_name
  consul_service_tags                = var.consul_service_tags
  consul_service_meta                = var.consul_service_meta
  consul_partition                   = var.consul_partition
  lan_address                        = var.lan_address
  lan_port                           = var.lan_port
  wan_port                           = var.wan_port
  listener_ports                     = var.listener_ports
  enable_mesh_gateway_wan_federation = var.enable_mesh_gateway_wan_federation
  lb_enabled                         = var.lb_enabled
  custom_load_balancer_config        = var.custom_load_balancer_config
  consul_server_hosts                = var.consul_server_hosts
  skip_server_watch                  = var.skip_server_watch
  http_config                        = var.http_config
  grpc_config                        = var.grpc_config
  tls                                = var.tls
  tls_server_name                    = var.tls_server_name
  consul_ca_cert_arn                 = var.consul_ca_cert_arn
  consul_https_ca_cert_arn           = var.consul_https_ca_cert_arn
  consul_grpc_ca_cert_arn            = var.consul_grpc_ca_cert_arn
  retry_join                         = var.retry_join
  consul_datacenter                  = var.consul_datacenter
  consul_server_ca_cert_arn          = var.consul_server_ca_cert_arn
  gossip_key_secret_arn              = var.gossip_key_secret_arn
  acls                               = var.acls
  acl_secret_name_prefix             = var.acl_secret_name_prefix
  consul_client_token_secret_arn     = var.consul_client_token_secret_arn
  consul_http_addr                   = var.consul_http_addr
  service_token_auth_method_name     = var.service_token_auth_method_name
  client_token_auth_method_name      = var.client_token_auth_method_name
  consul_ecs_config                  = var.consul_ecs_config
  log_configuration                  = var.log_configuration

  wan_address              = local.wan_address
  service_token_secret_arn = local.secret_made ? aws_secretsmanager_secret.service_token[0].arn : var.service_token_secret_arn
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.family
  requires_compatibilities = var.requires_compatibilities
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = jsonencode(module.definition.container_definitions)
  skip_destroy             = var.skip_destroy

  tags = merge(var.tags, module.definition.tags)

  dynamic "runtime_platform" {
    for_each = var.runtime_platform == null ? [] : [var.runtime_platform]
    content {
      cpu_architecture        = runtime_platform.value.cpu_architecture
      operating_system_family = runtime_platform.value.operating_system_family
    }
  }

  dynamic "volume" {
    for_each = module.definition.volumes
    content {
      name = volume.value
    }
  }

  dynamic "volume" {
    for_each = var.volumes
    content {
      name = volume.value.name

      dynamic "docker_volume_configuration" {
        for_each = try([volume.value.docker_volume_configuration], [])
        content {
          autoprovision = try(docker_volume_configuration.value.autoprovision, null)
          driver        = try(docker_volume_configuration.value.driver, null)
          driver_opts   = try(docker_volume_configuration.value.driver_opts, null)
          labels        = try(docker_volume_configuration.value.labels, null)
          scope         = try(docker_volume_configuration.value.scope, null)
        }
      }

      dynamic "efs_volume_configuration" {
        for_each = try([volume.value.efs_volume_configuration], [])
        content {
          file_system_id          = efs_volume_configuration.value.file_system_id
          root_directory          = try(efs_volume_configuration.value.root_directory, null)
          transit_encryption      = try(efs_volume_configuration.value.transit_encryption, null)
          transit_encryption_port = try(efs_volume_configuration.value.transit_encryption_port, null)

          dynamic "authorization_config" {
            for_each = try([efs_volume_configuration.value.authorization_config], [])
            content {
              access_point_id = try(authorization_config.value.access_point_id, null)
              iam             = try(authorization_config.value.iam, null)
            }
          }
        }
      }

      dynamic "fsx_windows_file_server_volume_configuration" {
        for_each = try([volume.value.fsx_windows_file_server_volume_configuration], [])
        content {
          file_system_id = fsx_windows_file_server_volume_configuration.value.file_system_id
          root_directory = fsx_windows_file_server_volume_configuration.value.root_directory

          authorization_config {
            credentials_parameter = fsx_windows_file_server_volume_configuration.value.authorization_config.credentials_parameter
            domain                = fsx_windows_file_server_volume_configuration.value.authorization_config.domain
          }
        }
      }
    }
  }

  lifecycle {
    precondition {
      condition     = !var.lb_enabled || var.wan_address == ""
      error_message = "There are a wan_address and lb_enabled, whose WAN address is the balancer's: give one of them."
    }
    precondition {
      condition     = var.create_service_secret || (module.definition.acls && var.acl_secret_name_prefix != "")
      error_message = "The create_service_secret is false, and the task has no secret: it goes with acls and acl_secret_name_prefix."
    }
    precondition {
      condition     = var.create_service_secret ? var.service_token_secret_arn == "" : true
      error_message = "The service_token_secret_arn is given, and create_service_secret is true: one of them is wrong."
    }
  }
}

# The ACL controller knows a task by its tags, and a task has its definition's
# only with propagate_tags. At 100 % a gateway stops when its successor is up.
resource "aws_ecs_service" "this" {
  name                               = module.definition.service_name
  cluster                            = var.ecs_cluster_arn
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = var.gateway_count
  launch_type                        = var.launch_type
  propagate_tags                     = "TASK_DEFINITION"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  enable_execute_command             = var.enable_execute_command
  health_check_grace_period_seconds  = length(local.targets) == 0 ? null : module.definition.health_check_grace_period_seconds
  wait_for_steady_state              = var.wait_for_steady_state
  tags                               = var.tags

  # A deployment whose gateways do not become healthy ends with the revision before it.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnets
    security_groups  = concat(var.security_groups, aws_security_group.this[*].id)
    assign_public_ip = var.assign_public_ip
  }

  dynamic "load_balancer" {
    for_each = local.targets
    content {
      target_group_arn = load_balancer.value.target_group_arn
      container_name   = load_balancer.value.container_name
      container_port   = load_balancer.value.container_port
    }
  }

  lifecycle {
    precondition {
      condition     = var.launch_type == "FARGATE" || !var.assign_public_ip
      error_message = "Tasks on EC2 instances get no public address: leave assign_public_ip."
    }
  }

  # ECS takes no target group that no listener has.
  depends_on = [aws_lb_listener.this]
}
