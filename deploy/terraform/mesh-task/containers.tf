# The container definitions: meshtask before the apps' commands, and in the
# siblings layout the mesh container. meshtask taskdef makes the same.

locals {
  names     = [for c in var.container_definitions : c.name]
  app_names = var.app_containers == null ? local.names : var.app_containers
  layout    = var.layout != null ? var.layout : length(local.app_names) == 1 ? "single" : "siblings"

  entry = concat([var.meshtask_binary], local.layout == "siblings" ? ["app", "--"] : var.job ? ["run", "--job", "--"] : ["run", "--"])

  config_variable = { name = "MESHTASK_CONFIG_JSON", value = local.config_json }
  app_variable = (local.layout == "single"
    ? local.config_variable
    : { name = "MESHTASK_STOP_TIMEOUT", value = "${var.stop_timeout}s" }
  )

  # Quick, as it is the task's health, and patient while the agent joins
  # (consulAgent.joinTimeout) and the app starts. ECS's bound is 300 s.
  mesh_check = {
    interval    = 5
    timeout     = 5
    retries     = 3
    startPeriod = min(120 + try(local.health_check.startPeriod, 0), 300)
  }

  # With a read-only root the state directory needs a volume.
  state_volume = "meshtask_state"
  state_needed = local.layout == "single" && try(local.app.readonlyRootFilesystem, false) == true

  app_fields = { for c in var.container_definitions : c.name => { for k, v in {
    entryPoint  = concat(local.entry, flatten([for e in [try(c.entryPoint, null)] : e if e != null]))
    environment = flatten([[for e in [try(c.environment, null)] : e if e != null], local.app_variable])
    stopTimeout = var.stop_timeout
    healthCheck = local.layout == "single" && !var.job ? merge({ command = ["CMD", var.meshtask_binary, "health"] }, local.mesh_check) : null
    mountPoints = local.state_needed ? flatten([
      [for m in [try(c.mountPoints, null)] : m if m != null],
      { sourceVolume = local.state_volume, containerPath = "/run/meshtask" },
    ]) : null
  } : k => v if v != null } if contains(local.app_names, c.name) }

  apps = [for c in var.container_definitions : merge(
    { for k, v in c : k => v if v != null },
    { for k, v in { logConfiguration = try(c.logConfiguration, null) == null ? var.log_configuration : null } : k => v if v != null },
    try(local.app_fields[c.name], {}),
  )]

  mesh = [for c in [{
    name             = "meshtask"
    image            = var.mesh_image
    essential        = true
    entryPoint       = ["meshtask", "run"]
    logConfiguration = var.log_configuration
    healthCheck      = merge({ command = ["CMD", "meshtask", "health"] }, local.mesh_check, { startPeriod = 120 })
    stopTimeout      = var.stop_timeout
    environment      = [local.config_variable]
  }] : { for k, v in c : k => v if v != null } if local.layout == "siblings"]

  container_definitions = concat(local.apps, local.mesh)
}
