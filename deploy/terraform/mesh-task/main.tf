locals {
  service_secret = var.consul_partition == "" ? module.definition.service_name : "${module.definition.service_name}-${var.consul_namespace}-${var.consul_partition}"
  secret_made    = var.acls && var.acl_secret_name_prefix != "" && var.create_service_secret
}

# Without a version: the ACL controller writes the first one.
resource "aws_secretsmanager_secret" "service_token" {
  count = local.secret_made ? 1 : 0

  name                    = "${var.acl_secret_name_prefix}-${local.service_secret}"
  description             = "Consul ACL token of ${module.definition.service_name}, kept by meshtask acl-controller"
  recovery_window_in_days = 0
  tags                    = var.tags
}

# What is in the containers is written there, and needs no provider.
module "definition" {
  source = "./modules/definition"

  family                             = var.family
  container_definitions              = var.container_definitions
  app_containers                     = var.app_containers
  layout                             = var.layout
  inject                             = var.inject
  image_configs                      = var.image_configs
  mesh_image                         = var.mesh_image
  mesh_container                     = var.mesh_container
  meshtask_binary                    = var.meshtask_binary
  job                                = var.job
  stop_timeout                       = var.stop_timeout
  health_check_start_period          = var.health_check_start_period
  meshtask_config                    = var.meshtask_config
  consul_service_name                = var.consul_service_name
  consul_service_tags                = var.consul_service_tags
  consul_service_meta                = var.consul_service_meta
  consul_namespace                   = var.consul_namespace
  consul_partition                   = var.consul_partition
  port                               = var.port
  outbound_only                      = var.outbound_only
  envoy_public_listener_port         = var.envoy_public_listener_port
  upstreams                          = var.upstreams
  checks                             = var.checks
  consul_ecs_config                  = var.consul_ecs_config
  application_shutdown_delay_seconds = var.application_shutdown_delay_seconds
  retry_join                         = var.retry_join
  consul_server_hosts                = var.consul_server_hosts
  skip_server_watch                  = var.skip_server_watch
  tls_server_name                    = var.tls_server_name
  ca_cert_file                       = var.ca_cert_file
  consul_ca_cert_arn                 = var.consul_ca_cert_arn
  consul_grpc_ca_cert_arn            = var.consul_grpc_ca_cert_arn
  http_config                        = var.http_config
  grpc_config                        = var.grpc_config
  enable_transparent_proxy           = var.enable_transparent_proxy
  consul_datacenter                  = var.consul_datacenter
  consul_primary_datacenter          = var.consul_primary_datacenter
  enable_acl_token_replication       = var.enable_acl_token_replication
  consul_agent_configuration         = var.consul_agent_configuration
  tls                                = var.tls
  consul_server_ca_cert_arn          = var.consul_server_ca_cert_arn
  gossip_key_secret_arn              = var.gossip_key_secret_arn
  acls                               = var.acls
  consul_client_token_secret_arn     = var.consul_client_token_secret_arn
  acl_secret_name_prefix             = var.acl_secret_name_prefix
  consul_http_addr                   = var.consul_http_addr
  consul_https_ca_cert_arn           = var.consul_https_ca_cert_arn
  client_token_auth_method_name      = var.client_token_auth_method_name
  service_token_auth_method_name     = var.service_token_auth_method_name
  log_configuration                  = var.log_configuration

  service_token_secret_arn = local.secret_made ? aws_secretsmanager_secret.service_token[0].arn : var.service_token_secret_arn
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.family
  requires_compatibilities = var.requires_compatibilities
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = local.task_role_arn
  execution_role_arn       = local.execution_role_arn
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

  dynamic "ephemeral_storage" {
    for_each = var.ephemeral_storage_gib == null ? [] : [var.ephemeral_storage_gib]
    content {
      size_in_gib = ephemeral_storage.value
    }
  }

  dynamic "placement_constraints" {
    for_each = var.placement_constraints
    content {
      type       = "memberOf"
      expression = placement_constraints.value
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
      name      = volume.value.name
      host_path = try(volume.value.host_path, null)

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
      condition     = length([for v in var.volumes : v.name if contains(module.definition.volumes, v.name)]) == 0
      error_message = "A volume of yours is called ${join(" or ", module.definition.volumes)}, as one of this module is: rename it."
    }
    precondition {
      condition     = var.create_service_secret || (var.acls && var.acl_secret_name_prefix != "")
      error_message = "The create_service_secret is false, and the task has no secret: it goes with acls and acl_secret_name_prefix."
    }
    precondition {
      condition     = var.create_service_secret ? var.service_token_secret_arn == "" : true
      error_message = "The service_token_secret_arn is given, and create_service_secret is true: one of them is wrong."
    }
    precondition {
      condition     = var.create_task_role == (var.task_role.arn == null) && (var.create_task_role || length(var.additional_task_role_policies) == 0)
      error_message = "Either create_task_role is true, perhaps with additional_task_role_policies, or task_role is given."
    }
    precondition {
      condition     = var.create_execution_role == (var.execution_role.arn == null) && (var.create_execution_role || length(var.additional_execution_role_policies) == 0)
      error_message = "Either create_execution_role is true, perhaps with additional_execution_role_policies, or execution_role is given."
    }
  }
}
