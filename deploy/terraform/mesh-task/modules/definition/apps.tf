# Which containers are apps, and what each app's command is.

locals {
  names = [for c in var.container_definitions : c.name]

  # As meshtask taskdef convert knows them: parts of the names of images.
  known_sidecars = [
    "datadog/agent", "datadog-agent", "aws-xray-daemon", "xray-daemon", "aws-otel-collector", "opentelemetry-collector",
    "cloudwatch-agent", "fluent-bit", "fluentd", "newrelic", "nri-ecs", "dynatrace", "splunk", "telegraf", "timberio/vector",
    "statsd", "sysdig", "falcon", "sigv4-proxy",
  ]
  routers = [for c in var.container_definitions : c.name if try(c.firelensConfiguration, null) != null]
  app_names = var.app_containers != null ? var.app_containers : [for c in var.container_definitions : c.name if
    !contains(local.routers, c.name) && try(c.essential, true) != false && !anytrue([for part in local.known_sidecars : strcontains(c.image, part)])
  ]

  layout    = var.layout != null ? var.layout : length(local.app_names) == 1 && !var.inject ? "single" : "siblings"
  binary    = var.meshtask_binary != null ? var.meshtask_binary : var.inject ? "/mesh/meshtask" : "meshtask"
  directory = dirname(local.binary)

  images = { for name, c in var.image_configs : name => {
    for k, v in try(c[0].Config, c.Config, c.config) : k => v if contains(["Entrypoint", "Cmd", "StopSignal"], k) && v != null
  } }

  # An entryPoint of the definition drops the image's CMD too, as docker does.
  said = { for c in var.container_definitions : c.name => {
    entry   = flatten([for v in [try(c.entryPoint, null)] : v if v != null])
    command = flatten([for v in [try(c.command, null)] : v if v != null])
  } if contains(local.app_names, c.name) }
  argv = { for name, s in local.said : name => {
    entry   = length(s.entry) > 0 ? s.entry : flatten([try(local.images[name].Entrypoint, [])])
    command = length(s.command) > 0 ? s.command : length(s.entry) > 0 ? [] : flatten([try(local.images[name].Cmd, [])])
  } }
  no_command   = [for name, a in local.argv : name if length(a.entry) + length(a.command) == 0]
  flags_only   = [for name, a in local.argv : name if length(a.entry) == 0 && startswith(try(a.command[0], ""), "-")]
  of_apps      = [for c in var.container_definitions : c if contains(local.app_names, c.name)]
  own_timeouts = [for c in local.of_apps : c.name if try(c.stopTimeout, null) != null]
  own_orders   = [for c in var.container_definitions : c.name if try(length(c.dependsOn), 0) > 0]
  in_the_way   = [for c in local.of_apps : c.name if var.inject && anytrue([for m in try(c.mountPoints, []) : trimsuffix(try(m.containerPath, ""), "/") == local.directory])]

  # ECS sends the image's STOPSIGNAL instead of TERM. TERM, INT and QUIT begin a stop by themselves.
  numbers = { "1" = "HUP", "2" = "INT", "3" = "QUIT", "9" = "KILL", "10" = "USR1", "12" = "USR2", "15" = "TERM", "19" = "STOP", "28" = "WINCH" }
  signals = { for name, i in local.images : name => lookup(local.numbers, try(i.StopSignal, ""), trimprefix(upper(try(i.StopSignal, "")), "SIG")) }
  stop_on = { for name in local.app_names : name => [for s in [lookup(local.signals, name, "")] : { name = "MESHTASK_STOP_ON", value = s }
  if !contains(["", "TERM", "INT", "QUIT"], s) && !(local.layout == "single" && can(var.meshtask_config.app.stopOn)) && !contains([for e in flatten([for c in local.of_apps : try(c.environment, []) if c.name == name]) : e.name], "MESHTASK_STOP_ON")] }
  unstoppable = [for name, s in local.signals : name if contains(["KILL", "STOP"], s)]
}
