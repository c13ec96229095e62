# The configuration that meshtask reads from MESHTASK_CONFIG_JSON: what the
# variables say, then meshtask_config.

locals {
  service_name = var.consul_service_name != "" ? var.consul_service_name : lower(var.family)
  mesh         = var.kind == "mesh-gateway"
  agentless    = var.consul_server_hosts != ""
  login_more   = { for k, v in try(var.consul_ecs_config.consulLogin, {}) : k => v if k != "enabled" && v != null }
  acls         = try(coalesce(var.consul_ecs_config.consulLogin.enabled), var.acls)
  by_login     = local.acls && var.acl_secret_name_prefix == ""
  by_secret    = local.acls && var.acl_secret_name_prefix != ""

  # As in consul-ecs: the namespace of gateways is default where there are any.
  namespace = var.consul_partition == "" ? "" : "default"

  # With lb_enabled the address may be unknown while planning.
  has_wan  = local.mesh && (var.lb_enabled ? true : var.wan_address != "")
  lan_port = var.lan_port != 0 ? var.lan_port : 8443
  wan_port = var.wan_port != 0 ? var.wan_port : local.lan_port
  balanced = var.lb_enabled ? true : length(var.custom_load_balancer_config) > 0

  # Where the container listens, and the balancer for each.
  ports = var.kind == "api-gateway" ? [for p in var.listener_ports : { target = p, listener = p }] : [{ target = local.lan_port, listener = local.wan_port }]

  lan = { for k, v in {
    address = var.lan_address == "" ? null : var.lan_address
    port    = var.lan_port == 0 ? null : var.lan_port
  } : k => v if v != null }

  meta = merge(var.consul_service_meta, { for k, v in { consul-wan-federation = "1" } : k => v if var.enable_mesh_gateway_wan_federation })

  # The CAs of the servers, by what the container finds them in.
  cas = { for k, v in {
    CONSUL_HTTPS_CACERT_PEM = var.consul_https_ca_cert_arn != "" ? var.consul_https_ca_cert_arn : var.consul_ca_cert_arn
    CONSUL_GRPC_CACERT_PEM  = var.consul_grpc_ca_cert_arn != "" ? var.consul_grpc_ca_cert_arn : var.consul_ca_cert_arn
  } : k => v if local.agentless && var.tls && !can((k == "CONSUL_GRPC_CACERT_PEM" ? var.grpc_config : var.http_config).caCertFile) }

  from_variables = {
    gateway = {
      kind       = var.kind
      name       = local.service_name
      tags       = length(var.consul_service_tags) == 0 ? null : var.consul_service_tags
      meta       = length(local.meta) == 0 ? null : local.meta
      namespace  = local.namespace == "" ? null : local.namespace
      partition  = var.consul_partition == "" ? null : var.consul_partition
      lanAddress = length(local.lan) == 0 ? null : local.lan
      wanAddress = local.has_wan ? { address = var.wan_address, port = local.wan_port } : null
    }
    consulServers = { for k, v in {
      hosts           = var.consul_server_hosts
      skipServerWatch = var.skip_server_watch ? true : null
      defaults        = { for k, v in { tls = var.tls, tlsServerName = var.tls_server_name == "" ? null : var.tls_server_name } : k => v if v != null }
      http            = merge({ port = var.tls ? 8501 : 8500, https = var.tls }, var.http_config)
      grpc            = merge({ port = var.tls ? 8503 : 8502 }, var.grpc_config)
    } : k => v if local.agentless && v != null }
    consulAgent = { for k, v in {
      retryJoin  = var.retry_join
      datacenter = var.consul_datacenter
      partition  = var.consul_partition == "" ? null : var.consul_partition
      caCert     = var.tls ? var.consul_server_ca_cert_arn : null
      gossipKey  = var.gossip_key_secret_arn == "" ? null : var.gossip_key_secret_arn
    } : k => v if !local.agentless && v != null }
    acl = {
      serviceToken = local.by_secret ? "${var.service_token_secret_arn}:token" : null
      agentToken   = local.by_secret && !local.agentless ? "${var.consul_client_token_secret_arn}:token" : null
      login        = local.by_login ? local.login : null
    }
    shutdown = {
      stopTimeout = "${var.stop_timeout}s"
      drain       = var.kind == "api-gateway" || local.balanced ? { min = "${var.deregistration_delay}s" } : null
    }
  }

  login = merge(
    { method = var.service_token_auth_method_name },
    { for k, v in {
      agentMethod = var.client_token_auth_method_name
      server      = var.consul_http_addr
      caCert      = var.consul_https_ca_cert_arn
    } : k => v if !local.agentless && v != "" },
    local.login_more,
  )

  generated = { for stanza, fields in {
    for stanza, fields in local.from_variables : stanza => { for k, v in fields : k => v if v != null }
  } : stanza => fields if length(fields) > 0 }

  # What meshtask_config says of a field that has been set already. Objects are
  # told apart by their fields, two levels deep: acl.login.region is not said.
  said_twice = flatten([for stanza, fields in var.meshtask_config : !can(local.generated[stanza]) ? [] : !can(keys(fields)) ? [stanza] : flatten([
    for k, v in fields : !can(local.generated[stanza][k]) ? [] : !can(keys(local.generated[stanza][k])) || !can(keys(v)) ? ["${stanza}.${k}"] : [
      for sub in keys(v) : "${stanza}.${k}.${sub}" if can(local.generated[stanza][k][sub])
    ]
  ])])

  config = merge(local.generated, { for stanza, fields in var.meshtask_config : stanza => try(
    merge(local.generated[stanza], { for k, v in fields : k => try(merge(local.generated[stanza][k], v), v) }),
    fields,
  ) })
  config_json = jsonencode(local.config)
}

# How long a healthy gateway may take to be one: ECS's bound is the service's, not the task's.
locals {
  waits = [for v in [try(local.config.consulServers.joinTimeout, local.config.consulAgent.joinTimeout, "120s"), try(local.config.acl.wait, "120s")] : sum(concat([0], [
    for part in regexall("([0-9.]+)(ms|h|m|s)", v) : tonumber(part[0]) * { ms = 0.001, s = 1, m = 60, h = 3600 }[part[1]]
  ]))]
  grace = ceil(sum(local.waits)) + 30
}
