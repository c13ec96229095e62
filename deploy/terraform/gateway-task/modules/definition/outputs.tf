# Nothing that is said is passed over: what cannot be meant is refused.

output "container_definitions" {
  description = "The task's container definitions, as ECS has them: jsonencode them for aws_ecs_task_definition."
  value       = local.container_definitions

  precondition {
    condition     = local.mesh || (var.lan_address == "" && var.lan_port == 0 && (var.lb_enabled || var.wan_address == "") && var.wan_port == 0)
    error_message = "The lan_address, lan_port, wan_address and wan_port are a mesh gateway's, and this is kind = \"${var.kind}\": leave them out. ${var.kind == "api-gateway" ? "An API gateway listens where its config entry says: listener_ports." : "A terminating gateway listens at port 8443 of the task."}"
  }
  precondition {
    condition     = alltrue([for p in [var.lan_port, var.wan_port] : p >= 0 && p <= 65535])
    error_message = "The lan_port and wan_port must be 1 to 65535, or 0 for the default."
  }
  precondition {
    condition     = var.wan_port == 0 || !local.mesh || local.has_wan
    error_message = "There is a wan_port and no address that it is at: give wan_address, or lb_enabled = true."
  }
  precondition {
    condition     = var.kind == "api-gateway" || var.listener_ports == tolist([8443])
    error_message = "The listener_ports are an API gateway's, and this is kind = \"${var.kind}\": ${local.mesh ? "give lan_port" : "a terminating gateway listens at port 8443 of the task"}."
  }
  precondition {
    condition     = local.mesh || !var.enable_mesh_gateway_wan_federation
    error_message = "The enable_mesh_gateway_wan_federation is for kind = \"mesh-gateway\", and this is ${var.kind}."
  }
  precondition {
    condition     = !var.enable_mesh_gateway_wan_federation || var.tls
    error_message = "WAN federation through mesh gateways needs TLS: give tls = true."
  }
  precondition {
    condition     = var.kind != "terminating-gateway" || !local.balanced
    error_message = "A terminating gateway takes calls of the mesh alone, which find it in Consul: leave lb_enabled and custom_load_balancer_config out."
  }
  precondition {
    condition     = !var.lb_enabled || length(var.custom_load_balancer_config) == 0
    error_message = "There are lb_enabled and a custom_load_balancer_config: one of them is wrong."
  }
  precondition {
    condition     = !var.lb_enabled || can(regex("^[a-z0-9-]{1,${length(local.ports) > 1 ? 26 : 32}}$", local.service_name))
    error_message = "The balancer is called as the gateway, ${local.service_name}, and its name may have ${length(local.ports) > 1 ? "26 characters (32 with a port behind it)" : "32 characters"}, without _: give a consul_service_name that fits, or a balancer of yours by custom_load_balancer_config."
  }
  precondition {
    condition     = alltrue([for b in local.custom : b.container_name != var.family || contains(local.ports[*].target, b.container_port)])
    error_message = "The custom_load_balancer_config sends to a port at which the gateway does not listen: its container_port must be ${join(" or ", local.ports[*].target)}${var.kind == "api-gateway" ? ", or give listener_ports as in the config entry" : ""}."
  }
  precondition {
    condition     = alltrue([for b in local.custom : contains([for c in local.container_definitions : c.name], b.container_name)])
    error_message = "The custom_load_balancer_config sends to a container that the task does not have: leave container_name out, and it is ${var.family}."
  }
  precondition {
    condition     = !(var.kind == "api-gateway" || local.balanced) || var.stop_timeout >= var.deregistration_delay + 15
    error_message = "The stop_timeout of ${var.stop_timeout} s must be 15 s more than the deregistration_delay at least, for what comes after the drain: give stop_timeout = ${min(var.deregistration_delay + 15, 120)}, or a shorter delay."
  }
  precondition {
    condition     = local.agentless == (length(var.retry_join) == 0)
    error_message = local.agentless ? "There are consul_server_hosts (no client agent) and retry_join (a client agent): give one of them." : "Where are the Consul servers? Give consul_server_hosts (no client agent), or retry_join (a client agent in the task)."
  }
  precondition {
    condition     = startswith(var.consul_server_hosts, "exec=") || !can(regex("(://|^[^:]*:[0-9]+$)", var.consul_server_hosts))
    error_message = "The consul_server_hosts is an address or a name, without scheme and port: give ports as http_config = { port = 8501 } and grpc_config = { port = 8503 }."
  }
  precondition {
    condition     = local.agentless || !var.skip_server_watch && var.tls_server_name == "" && length(var.http_config) == 0 && length(var.grpc_config) == 0 && var.consul_ca_cert_arn == "" && var.consul_grpc_ca_cert_arn == ""
    error_message = "The skip_server_watch, tls_server_name, http_config, grpc_config, consul_ca_cert_arn and consul_grpc_ca_cert_arn go with consul_server_hosts, and this task has a client agent: its CA is consul_server_ca_cert_arn."
  }
  precondition {
    condition     = !local.agentless || var.consul_datacenter == "dc1" && var.consul_server_ca_cert_arn == "" && var.gossip_key_secret_arn == "" && var.consul_client_token_secret_arn == "" && var.consul_http_addr == "" && var.client_token_auth_method_name == "iam-ecs-client-token"
    error_message = "The consul_datacenter, consul_server_ca_cert_arn, gossip_key_secret_arn, consul_client_token_secret_arn, consul_http_addr and client_token_auth_method_name are a client agent's, and with consul_server_hosts there is none: its CA is consul_ca_cert_arn, and logins go to the servers."
  }
  precondition {
    condition     = !local.agentless || var.tls || (var.consul_ca_cert_arn == "" && var.consul_https_ca_cert_arn == "" && var.consul_grpc_ca_cert_arn == "")
    error_message = "There is the ARN of a CA and tls is false."
  }
  precondition {
    condition     = !local.agentless || !var.tls || try(var.grpc_config.tls, true) == false || can(var.grpc_config.caCertFile) || lookup(local.cas, "CONSUL_GRPC_CACERT_PEM", "") != ""
    error_message = "With tls the CA of the servers is needed: give consul_ca_cert_arn, or consul_grpc_ca_cert_arn and consul_https_ca_cert_arn."
  }
  precondition {
    condition     = local.agentless || var.tls == (var.consul_server_ca_cert_arn != "")
    error_message = var.tls ? "With tls consul_server_ca_cert_arn is needed." : "There is a consul_server_ca_cert_arn and tls is false."
  }
  precondition {
    condition     = local.acls || var.acl_secret_name_prefix == ""
    error_message = "There is an acl_secret_name_prefix and acls is false."
  }
  precondition {
    condition     = local.by_secret == (var.service_token_secret_arn != "")
    error_message = local.by_secret ? "With acl_secret_name_prefix the gateway's token is needed: service_token_secret_arn, unless the module gateway-task makes the secret (create_service_secret)." : "The service_token_secret_arn goes with acls and acl_secret_name_prefix."
  }
  precondition {
    condition     = local.agentless || local.by_secret == (var.consul_client_token_secret_arn != "")
    error_message = local.by_secret ? "With acl_secret_name_prefix and a client agent consul_client_token_secret_arn is needed, the agent's token." : "The consul_client_token_secret_arn goes with acls and acl_secret_name_prefix."
  }
  precondition {
    condition     = local.agentless || local.by_login == (var.consul_http_addr != "")
    error_message = local.by_login ? "With acls and a client agent give acl_secret_name_prefix (tokens from the ACL controller) or consul_http_addr (login)." : "The consul_http_addr is for a login, and this task has none: acls is false or acl_secret_name_prefix is set."
  }
  precondition {
    condition     = local.by_login || (var.service_token_auth_method_name == "iam-ecs-service-token" && var.client_token_auth_method_name == "iam-ecs-client-token" && length(local.login_more) == 0)
    error_message = "The names of auth methods and consul_ecs_config.consulLogin are for a login, and this task has none."
  }
  precondition {
    condition     = local.agentless || local.by_login || var.consul_https_ca_cert_arn == ""
    error_message = "The consul_https_ca_cert_arn is for a login, and this task has none."
  }
  precondition {
    condition     = length(local.said_twice) == 0
    error_message = "The meshtask_config sets what a variable has set: ${join(", ", local.said_twice)}."
  }
  precondition {
    condition     = !contains([for c in var.extra_container_definitions : c.name], var.family)
    error_message = "A container of extra_container_definitions is called ${var.family}, as the gateway is: rename it."
  }
  precondition {
    condition     = !var.readonly_root_filesystem || !contains([for v in var.volumes : v.name], "meshtask_state")
    error_message = "A volume of yours is called meshtask_state, as the one of the state directory is: rename it."
  }
}

output "config_json" {
  description = "The configuration in the definition, MESHTASK_CONFIG_JSON."
  value       = local.config_json
}

output "volumes" {
  description = "Names of the volumes that the task needs besides its own: bare ones, which ECS makes for each task."
  value       = local.state_mount[*].sourceVolume
}

output "service_name" {
  description = "The gateway's name in Consul: the task's tag consul.hashicorp.com/service-name."
  value       = local.service_name
}

output "by_login" {
  description = "The task logs in with the role it has, instead of having its token from a secret."
  value       = local.by_login
}

output "acls" {
  description = "The gateway has a token."
  value       = local.acls
}

output "namespace" {
  description = "The gateway's namespace: default in a partition, else empty."
  value       = local.namespace
}

output "lan_port" {
  description = "Where the gateway listens; an API gateway: see ports."
  value       = local.lan_port
}

output "wan_port" {
  description = "Where other datacenters find a mesh gateway."
  value       = local.wan_port
}

output "ports" {
  description = "Where the container listens (target), and the balancer of lb_enabled for each (listener)."
  value       = local.ports
}

output "load_balancers" {
  description = "The custom_load_balancer_config with its containers' names."
  value       = local.custom
}

output "tags" {
  description = "By these tags the ACL controller knows the task."
  value = merge(
    { "consul.hashicorp.com/mesh" = "true", "consul.hashicorp.com/service-name" = local.service_name, "consul.hashicorp.com/gateway-kind" = var.kind },
    { for k, v in {
      "consul.hashicorp.com/partition" = var.consul_partition
      "consul.hashicorp.com/namespace" = local.namespace
    } : k => v if v != "" },
  )
}

output "role_tags" {
  description = "By these tags of the task role Consul's auth method knows the gateway."
  value = { for k, v in {
    "consul.hashicorp.com.service-name" = local.service_name
    "consul.hashicorp.com.namespace"    = local.namespace
    "consul.hashicorp.com.gateway-kind" = var.kind
  } : k => v if v != "" }
}

output "health_check_grace_period_seconds" {
  description = "What the ECS service's health_check_grace_period_seconds should be at least: joinTimeout, acl.wait and the gateway's start."
  value       = local.grace
}
