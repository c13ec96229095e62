# The container definitions: meshtask before the apps' commands, in the siblings
# layout the mesh container, and with inject the one that puts meshtask into the
# apps' volume. meshtask taskdef makes the same.

locals {
  entry = concat([local.binary], local.layout == "siblings" ? ["app", "--"] : var.job ? ["run", "--job", "--"] : ["run", "--"])

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
    startPeriod = min(var.health_check_start_period + (local.layout == "single" ? try(local.health_check.startPeriod, 0) : 0), 300)
  }

  # An app of the siblings layout starts when the mesh is up: until then its check fails.
  app_checks = { for c in local.of_apps : c.name => merge({ for k, v in c.healthCheck : k => v if v != null }, {
    startPeriod = min(var.health_check_start_period + try(coalesce(c.healthCheck.startPeriod), 0), 300)
  }) if local.layout == "siblings" && try(c.healthCheck.command[0], "NONE") != "NONE" }

  # With a read-only root the state directory needs a volume.
  read_only   = local.layout == "single" ? try(local.app.readonlyRootFilesystem, false) == true : try(var.mesh_container.readonlyRootFilesystem, false) == true
  state_mount = [for m in [{ sourceVolume = "meshtask_state", containerPath = "/run/meshtask" }] : m if local.read_only]
  injected    = [for m in [{ sourceVolume = "meshtask_bin", containerPath = local.directory }] : m if var.inject]
  volumes     = [for m in concat(local.state_mount, local.injected) : m.sourceVolume]

  app_fields = { for c in var.container_definitions : c.name => { for k, v in {
    entryPoint  = concat(local.entry, local.argv[c.name].entry)
    command     = length(local.argv[c.name].command) > 0 ? local.argv[c.name].command : null
    environment = flatten([[for e in [try(c.environment, null)] : e if e != null], local.stop_on[c.name], local.app_variable])
    stopTimeout = var.stop_timeout
    healthCheck = try(concat([for h in [merge({ command = ["CMD", local.binary, "health"] }, local.mesh_check)] : h if local.layout == "single" && !var.job], local.asked_checks)[0], null)
    mountPoints = local.layout == "single" && !local.read_only || local.layout == "siblings" && !var.inject ? null : flatten([
      [for m in [try(c.mountPoints, null)] : m if m != null],
      [for m in local.state_mount : m if local.layout == "single"],
      [for m in local.injected : merge(m, { readOnly = true })],
    ])
    secrets   = local.layout == "siblings" || length(local.server_cas) == 0 ? null : flatten([[for s in [try(c.secrets, null)] : s if s != null], local.server_cas])
    dependsOn = var.inject ? [{ containerName = "meshtask-install", condition = "SUCCESS" }] : null
  } : k => v if v != null } if contains(local.app_names, c.name) }

  apps = [for c in var.container_definitions : merge(
    { for k, v in c : k => v if v != null },
    { for k, v in { logConfiguration = try(c.logConfiguration, null) == null && !contains(local.routers, c.name) ? var.log_configuration : null } : k => v if v != null },
    try(local.app_fields[c.name], {}),
    { for k, v in { healthCheck = try(local.app_checks[c.name], null) } : k => v if v != null },
  )]

  mesh_logs = try(var.mesh_container.logConfiguration, null) != null ? var.mesh_container.logConfiguration : var.log_configuration
  mesh = [for c in [merge({ for k, v in var.mesh_container : k => v if v != null }, { for k, v in {
    name             = "meshtask"
    image            = var.mesh_image
    essential        = true
    entryPoint       = ["meshtask", "run"]
    logConfiguration = local.mesh_logs
    healthCheck      = merge({ command = ["CMD", "meshtask", "health"] }, local.mesh_check)
    stopTimeout      = var.stop_timeout
    environment      = flatten([[for e in [try(var.mesh_container.environment, null)] : e if e != null], local.config_variable])
    secrets          = length(local.server_cas) == 0 ? null : flatten([[for s in [try(var.mesh_container.secrets, null)] : s if s != null], local.server_cas])
    mountPoints      = local.read_only ? flatten([[for m in [try(var.mesh_container.mountPoints, null)] : m if m != null], local.state_mount]) : null
  } : k => v if v != null })] : c if local.layout == "siblings"]

  # As user 0: ECS makes the volume root's.
  install = [for c in [{
    name                   = "meshtask-install"
    image                  = var.mesh_image
    essential              = false
    entryPoint             = ["meshtask"]
    command                = ["install", local.directory]
    user                   = "0"
    readonlyRootFilesystem = local.layout == "siblings" && local.read_only ? true : null
    mountPoints            = local.injected
    logConfiguration       = local.mesh_logs
    repositoryCredentials  = try(var.mesh_container.repositoryCredentials, null)
  }] : { for k, v in c : k => v if v != null } if var.inject]

  container_definitions = concat(local.apps, local.mesh, local.install)
}
