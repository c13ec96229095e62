# One container, named as the task: meshtask with Envoy and no app. meshtask taskdef makes the same.

locals {
  secrets     = [for k, v in local.cas : { name = k, valueFrom = v } if v != ""]
  state_mount = [for m in [{ sourceVolume = "meshtask_state", containerPath = "/run/meshtask" }] : m if var.readonly_root_filesystem]
  mounts      = concat([for v in var.volumes : { sourceVolume = v.name, containerPath = v.host_path, readOnly = try(coalesce(v.read_only), true) }], local.state_mount)

  gateway = { for k, v in {
    name                   = var.family
    image                  = var.mesh_image
    essential              = true
    entryPoint             = ["meshtask", "run"]
    stopTimeout            = var.stop_timeout
    readonlyRootFilesystem = var.readonly_root_filesystem ? true : null
    healthCheck            = { command = ["CMD", "meshtask", "health"], interval = 5, timeout = 5, retries = 3, startPeriod = var.health_check_start_period }
    portMappings           = [for p in local.ports : { containerPort = p.target, protocol = "tcp" }]
    logConfiguration       = var.log_configuration
    environment            = [{ name = "MESHTASK_CONFIG_JSON", value = local.config_json }]
    secrets                = length(local.secrets) == 0 ? null : local.secrets
    mountPoints            = length(local.mounts) == 0 ? null : local.mounts
  } : k => v if v != null }

  container_definitions = concat([local.gateway], [for c in var.extra_container_definitions : { for k, v in c : k => v if v != null }])

  # A connection that comes through a balancer of the user's: to which container.
  custom = [for b in var.custom_load_balancer_config : merge(b, {
    container_name = b.container_name == null || b.container_name == "consul-dataplane" ? var.family : b.container_name
  })]
}
