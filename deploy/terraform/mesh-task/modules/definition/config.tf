# The configuration that meshtask reads from MESHTASK_CONFIG_JSON: what the
# variables say, then meshtask_config.

locals {
  service_name = var.consul_service_name != "" ? var.consul_service_name : lower(var.family)
  by_login     = var.acls && var.acl_secret_name_prefix == ""

  # The app of the single layout; its health check is meshtask's to run.
  app = try([for c in var.container_definitions : c if contains(local.app_names, c.name)][0], {})
  health_check = merge([for h in [try(local.app.healthCheck, null)] : {
    for k, v in h : k => v if v != null
  } if try(h.command[0], "NONE") != "NONE"]...)

  # health.app of the only sibling: ECS asks in its container, by meshtask probe, which needs
  # nothing of the image.
  asked = [for a in [try(var.meshtask_config.health.app, null)] : a if a != null && local.layout == "siblings" && length(local.app_names) == 1]
  asked_checks = [for a in local.asked : merge(
    { command = flatten([[for t in [try(a.http, "tcp://${a.tcp}", "grpc://${a.grpc}", null)] : ["CMD", local.binary, "probe", t] if t != null], try(a.command, [])]) },
    { for k, v in a : k => v if contains(["interval", "timeout", "retries"], k) && v != null },
    { startPeriod = min(var.health_check_start_period + try(a.startPeriod, 0), 300) },
  )]
  more = merge(
    { for stanza, fields in var.meshtask_config : stanza => fields if stanza != "health" || length(local.asked) == 0 },
    { for stanza, fields in { health = { for k, v in try(var.meshtask_config.health, {}) : k => v if k != "app" } } : stanza => fields if length(local.asked) > 0 && length(fields) > 0 },
  )
  synced = [for c in var.container_definitions : c.name if contains(local.app_names, c.name) && (try(c.healthCheck, null) != null || length(local.asked) > 0)]

  from_variables = {
    service = {
      name              = local.service_name
      port              = var.port == 0 ? null : var.port
      tags              = length(var.consul_service_tags) == 0 ? null : var.consul_service_tags
      meta              = length(var.consul_service_meta) == 0 ? null : var.consul_service_meta
      namespace         = var.consul_namespace == "" ? null : var.consul_namespace
      partition         = var.consul_partition == "" ? null : var.consul_partition
      checks            = length(var.checks) == 0 ? null : var.checks
      weights           = try(var.consul_ecs_config.service.weights, null)
      enableTagOverride = try(var.consul_ecs_config.service.enableTagOverride, null)
    }
    proxy = {
      publicListenerPort = var.envoy_public_listener_port == 20000 ? null : var.envoy_public_listener_port
      upstreams          = length(var.upstreams) == 0 ? null : var.upstreams
      config             = try(var.consul_ecs_config.proxy.config, null)
      expose             = try(var.consul_ecs_config.proxy.expose, null)
      meshGateway        = try(var.consul_ecs_config.proxy.meshGateway, null)
    }
    consulServers = local.servers
    consulAgent = {
      retryJoin   = local.agentless ? null : var.retry_join
      datacenter  = local.agentless ? null : var.consul_datacenter
      partition   = local.agentless || var.consul_partition == "" ? null : var.consul_partition
      caCert      = var.tls && !local.agentless ? var.consul_server_ca_cert_arn : null
      gossipKey   = var.gossip_key_secret_arn == "" ? null : var.gossip_key_secret_arn
      extraConfig = length(local.agent_extra) == 0 ? null : local.agent_extra
    }
    acl = {
      serviceToken = var.acls && !local.by_login ? "${var.service_token_secret_arn}:token" : null
      agentToken   = var.acls && !local.by_login && !local.agentless ? "${var.consul_client_token_secret_arn}:token" : null
      login        = local.by_login ? local.login : null
    }
    health = {
      app = local.layout == "single" && length(local.health_check) > 0 ? local.health_check : null
    }
    shutdown = {
      stopTimeout = "${var.stop_timeout}s"
      drain       = var.application_shutdown_delay_seconds > 0 ? { min = "${var.application_shutdown_delay_seconds}s" } : null
    }
  }

  agent_own = jsondecode(var.consul_agent_configuration == "" ? "{}" : var.consul_agent_configuration)
  agent_extra = merge(
    local.agent_own,
    { for k, v in { primary_datacenter = var.consul_primary_datacenter } : k => v if v != "" },
    { for k, v in { acl = merge(try(local.agent_own.acl, {}), { enable_token_replication = true }) } : k => v if var.enable_acl_token_replication },
  )

  # Without an agent one of the servers is logged in to.
  login = merge({ for k, v in {
    method      = try(coalesce(local.own_login.method), var.service_token_auth_method_name)
    agentMethod = local.agentless ? "" : var.client_token_auth_method_name
    server      = var.consul_http_addr
    caCert      = local.agentless ? "" : var.consul_https_ca_cert_arn
  } : k => v if v != "" }, local.more_login)

  sync = local.layout == "siblings" && length(var.checks) == 0 ? local.synced : []

  generated = merge(
    { for stanza, fields in {
      for stanza, fields in local.from_variables : stanza => { for k, v in fields : k => v if v != null }
    } : stanza => fields if length(fields) > 0 },
    { for k, v in { healthSyncContainers = local.sync } : k => v if length(v) > 0 },
  )

  # What meshtask_config says of a field that has been set already. Objects are
  # told apart by their fields, two levels deep: acl.login.region is not said.
  said_twice = flatten([for stanza, fields in local.more : !can(local.generated[stanza]) ? [] : !can(keys(fields)) ? [stanza] : flatten([
    for k, v in fields : !can(local.generated[stanza][k]) ? [] : !can(keys(local.generated[stanza][k])) || !can(keys(v)) ? ["${stanza}.${k}"] : [
      for sub in keys(v) : "${stanza}.${k}.${sub}" if can(local.generated[stanza][k][sub])
    ]
  ])])

  config = merge(local.generated, { for stanza, fields in local.more : stanza => try(
    merge(local.generated[stanza], { for k, v in fields : k => try(merge(local.generated[stanza][k], v), v) }),
    fields,
  ) })
  config_json = jsonencode(local.config)
}

# How long a healthy task may take to be one: ECS's bound is the service's, not the task's.
locals {
  waits = [for v in [try(local.config.consulServers.joinTimeout, local.config.consulAgent.joinTimeout, "120s"), try(local.config.acl.wait, "120s")] : sum(concat([0], [
    for part in regexall("([0-9.]+)(ms|h|m|s)", v) : tonumber(part[0]) * { ms = 0.001, s = 1, m = 60, h = 3600 }[part[1]]
  ]))]
  grace = ceil(sum(local.waits)) + 30
}
