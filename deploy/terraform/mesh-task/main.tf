locals {
  service_secret = var.consul_partition == "" ? local.service_name : "${local.service_name}-${var.consul_namespace}-${var.consul_partition}"
}

# Without a version: the ACL controller writes the first one.
resource "aws_secretsmanager_secret" "service_token" {
  count = var.acls && !local.by_login ? 1 : 0

  name                    = "${var.acl_secret_name_prefix}-${local.service_secret}"
  description             = "Consul ACL token of ${local.service_name}, kept by meshtask acl-controller"
  recovery_window_in_days = 0
  tags                    = var.tags
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.family
  requires_compatibilities = var.requires_compatibilities
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = local.task_role_arn
  execution_role_arn       = local.execution_role_arn
  container_definitions    = jsonencode(local.container_definitions)

  tags = merge(
    var.tags,
    {
      "consul.hashicorp.com/mesh"         = "true"
      "consul.hashicorp.com/service-name" = local.service_name
    },
    { for k, v in {
      "consul.hashicorp.com/partition" = var.consul_partition
      "consul.hashicorp.com/namespace" = var.consul_namespace
    } : k => v if v != "" },
  )

  dynamic "runtime_platform" {
    for_each = var.runtime_platform == null ? [] : [var.runtime_platform]
    content {
      cpu_architecture        = runtime_platform.value.cpu_architecture
      operating_system_family = runtime_platform.value.operating_system_family
    }
  }

  dynamic "volume" {
    for_each = local.state_needed ? [local.state_volume] : []
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

  # Nothing that is said is passed over: what cannot be meant is refused.
  lifecycle {
    precondition {
      condition     = length(setsubtract(local.app_names, local.names)) == 0
      error_message = "The app_containers ${join(", ", setsubtract(local.app_names, local.names))} are not in container_definitions."
    }
    precondition {
      condition     = local.layout == "siblings" || length(local.app_names) == 1
      error_message = "The single layout has one app container, not ${length(local.app_names)}: name it in app_containers, or choose layout = \"siblings\"."
    }
    precondition {
      condition     = (local.layout == "siblings") == (var.mesh_image != "")
      error_message = local.layout == "siblings" ? "The siblings layout needs mesh_image." : "The mesh_image is for the siblings layout, and this is single."
    }
    precondition {
      condition     = local.layout == "single" || !contains(local.names, "meshtask")
      error_message = "A container of yours is called meshtask, as the mesh container is."
    }
    precondition {
      condition     = !var.job || local.layout == "single"
      error_message = "A job has the single layout."
    }
    precondition {
      condition     = alltrue([for c in var.container_definitions : try(length(c.command) > 0, false) || try(length(c.entryPoint) > 0, false) if contains(local.app_names, c.name)])
      error_message = "An app container has neither command nor entryPoint: meshtask takes the place of the image's ENTRYPOINT, and ECS then drops its CMD."
    }
    precondition {
      condition     = alltrue([for c in var.container_definitions : try(c.stopTimeout, null) == null if contains(local.app_names, c.name)])
      error_message = "An app container has a stopTimeout: give stop_timeout, which is the whole task's."
    }
    precondition {
      condition     = alltrue([for c in var.container_definitions : try(length(c.dependsOn), 0) == 0])
      error_message = "A container has dependsOn: the order is meshtask's, and ECS's would hold the stop signal back."
    }
    precondition {
      condition     = length(local.said_twice) == 0
      error_message = "The meshtask_config sets what a variable has set: ${join(", ", local.said_twice)}."
    }
    precondition {
      condition     = !can(local.generated.health.app) || length(setintersection(try(keys(var.meshtask_config.health.app), []), ["http", "tcp", "grpc"])) == 0
      error_message = "The app has a healthCheck, and meshtask_config has health.app: give one of them."
    }
    precondition {
      condition     = var.job ? !var.outbound_only : var.outbound_only == (var.port == 0)
      error_message = var.job ? "A job takes requests only when it has a port: leave outbound_only." : var.port == 0 ? "Give port, or outbound_only = true." : "There is a port and outbound_only is true: one of them is wrong."
    }
    precondition {
      condition     = (var.consul_partition == "") == (var.consul_namespace == "")
      error_message = "The consul_partition and consul_namespace go together."
    }
    precondition {
      condition     = var.tls == (var.consul_server_ca_cert_arn != "")
      error_message = var.tls ? "With tls consul_server_ca_cert_arn is needed." : "There is a consul_server_ca_cert_arn and tls is false."
    }
    precondition {
      condition     = (var.acls && !local.by_login) == (var.consul_client_token_secret_arn != "")
      error_message = var.acls && !local.by_login ? "With acl_secret_name_prefix consul_client_token_secret_arn is needed, the agent's token." : "The consul_client_token_secret_arn goes with acls and acl_secret_name_prefix."
    }
    precondition {
      condition     = var.acls || var.acl_secret_name_prefix == ""
      error_message = "There is an acl_secret_name_prefix and acls is false."
    }
    precondition {
      condition     = local.by_login == (var.consul_http_addr != "")
      error_message = local.by_login ? "With acls give acl_secret_name_prefix (tokens from the ACL controller) or consul_http_addr (login)." : "The consul_http_addr is for a login, and this task has none: acls is false or acl_secret_name_prefix is set."
    }
    precondition {
      condition     = local.by_login || (var.consul_https_ca_cert_arn == "" && var.service_token_auth_method_name == "iam-ecs-service-token" && var.client_token_auth_method_name == "iam-ecs-client-token")
      error_message = "The consul_https_ca_cert_arn and the names of auth methods are for a login, and this task has none."
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
