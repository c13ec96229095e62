# Nothing that is said is passed over: what cannot be meant is refused.

output "container_definitions" {
  description = "The task's container definitions, as ECS has them: jsonencode them for aws_ecs_task_definition."
  value       = local.container_definitions

  precondition {
    condition     = length(setsubtract(local.app_names, local.names)) == 0
    error_message = "The app_containers ${join(", ", setsubtract(local.app_names, local.names))} are not in container_definitions."
  }
  precondition {
    condition     = length(local.app_names) > 0
    error_message = "None of the container_definitions is an app: ${join(", ", local.names)} are known sidecars or not essential. Name the app in app_containers."
  }
  precondition {
    condition     = length(setsubtract(keys(var.image_configs), local.app_names)) == 0
    error_message = "The image_configs are for app containers, and ${join(", ", setsubtract(keys(var.image_configs), local.app_names))} is none."
  }
  precondition {
    condition     = local.layout == "siblings" || length(local.app_names) <= 1
    error_message = "The single layout has one app container, not ${length(local.app_names)}: name it in app_containers, or choose layout = \"siblings\"."
  }
  precondition {
    condition     = local.layout == "siblings" || !var.inject
    error_message = "With inject the layout is siblings: leave layout = \"single\" out, or give the app an image that holds meshtask, consul and envoy, and inject = false."
  }
  precondition {
    condition     = (local.layout == "siblings") == (var.mesh_image != "")
    error_message = local.layout == "siblings" ? "The siblings layout needs mesh_image." : "The mesh_image is for the siblings layout, and this is single."
  }
  precondition {
    condition     = local.layout == "siblings" || length(var.mesh_container) == 0
    error_message = "The mesh_container is for the siblings layout, and this is single: write its fields into container_definitions."
  }
  precondition {
    condition     = local.layout == "single" || !contains(local.names, "meshtask")
    error_message = "A container of yours is called meshtask, as the mesh container is: rename it."
  }
  precondition {
    condition     = !var.inject || !contains(local.names, "meshtask-install")
    error_message = "A container of yours is called meshtask-install, as the one of inject is: rename it."
  }
  precondition {
    condition     = !var.inject || (startswith(local.binary, "/") && local.directory != "/" && basename(local.binary) == "meshtask")
    error_message = "With inject the meshtask_binary must be DIR/meshtask with an absolute DIR, such as /mesh/meshtask, not ${local.binary}."
  }
  precondition {
    condition     = length(local.in_the_way) == 0
    error_message = "The container ${join(", ", local.in_the_way)} mounts something at ${local.directory}, where inject puts meshtask: give another place, meshtask_binary = \"/DIR/meshtask\"."
  }
  precondition {
    condition     = !var.job || local.layout == "single"
    error_message = "A job has the single layout."
  }
  precondition {
    condition     = length(local.no_command) == 0
    error_message = "The container ${join(", ", local.no_command)} has neither command nor entryPoint, and meshtask has to come before the image's: give image_configs = { ${join(", ", [for n in local.no_command : "${n} = jsondecode(file(\"${n}.json\"))"])} } with what docker inspect IMAGE prints, or write the container's command."
  }
  precondition {
    condition     = length(local.flags_only) == 0
    error_message = "The command of container ${join(", ", local.flags_only)} begins with -: these are arguments of the image's ENTRYPOINT, which ECS drops. Write the container's entryPoint, or give image_configs."
  }
  precondition {
    condition     = length(local.unstoppable) == 0
    error_message = "The STOPSIGNAL of the image of container ${join(", ", local.unstoppable)} cannot begin a stop: build the image with STOPSIGNAL SIGTERM."
  }
  precondition {
    condition     = length(local.own_timeouts) == 0
    error_message = "The app container ${join(", ", local.own_timeouts)} has a stopTimeout: give stop_timeout, which is the whole task's."
  }
  precondition {
    condition     = length(local.own_orders) == 0
    error_message = "The container ${join(", ", local.own_orders)} has dependsOn: take it out. The order is meshtask's, and ECS's would hold the stop signal back."
  }
  precondition {
    condition     = length(local.said_twice) == 0
    error_message = "The meshtask_config sets what a variable has set: ${join(", ", local.said_twice)}."
  }
  precondition {
    condition     = length(local.container_definitions) <= 10
    error_message = "The task would have ${length(local.container_definitions)} containers, and ECS takes 10: merge or remove some, or make two tasks of it. inject adds one of them."
  }
  precondition {
    condition     = length(local.asked) == 0 || !anytrue([for c in local.of_apps : try(c.healthCheck, null) != null])
    error_message = "The container ${join(", ", local.app_names)} has a healthCheck, and meshtask_config has health.app: give one of them."
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
    condition     = !var.enable_transparent_proxy
    error_message = "The enable_transparent_proxy must be false: meshtask has no transparent proxying. Name what the app calls in upstreams, and have it call their localBindPort."
  }
  precondition {
    condition     = local.agentless || length(var.retry_join) > 0
    error_message = "Give retry_join, or consul_server_hosts for a task without a Consul agent."
  }
  precondition {
    condition     = !local.agentless || length(local.of_agents) == 0
    error_message = "With consul_server_hosts the task has no Consul agent, so that ${join(", ", local.of_agents)} would say nothing: take it out.${contains(local.of_agents, "checks") ? " Give health.app in meshtask_config instead of checks." : ""}${contains(local.of_agents, "consul_server_ca_cert_arn") ? " The CA is consul_ca_cert_arn." : ""}"
  }
  precondition {
    condition     = local.agentless || length(local.of_servers) == 0
    error_message = "${join(", ", local.of_servers)} is for a task without a Consul agent: give consul_server_hosts as well, or take it out."
  }
  precondition {
    condition     = !local.agentless || !local.grpc_tls || local.grpc_ca
    error_message = "With tls the CA of the servers is needed: consul_ca_cert_arn, consul_grpc_ca_cert_arn or ca_cert_file."
  }
  precondition {
    condition     = !local.agentless || var.tls || var.consul_ca_cert_arn == "" && var.consul_grpc_ca_cert_arn == "" && var.consul_https_ca_cert_arn == ""
    error_message = "There is a CA of the servers and tls is false."
  }
  precondition {
    condition     = length(local.own_login) == 0 || local.by_login && try(local.own_login.enabled, true) != false
    error_message = "The consul_ecs_config.consulLogin is for a login, and this task has none: acls is false, acl_secret_name_prefix is set or it says enabled = false."
  }
  precondition {
    condition     = local.agentless || var.tls == (var.consul_server_ca_cert_arn != "")
    error_message = var.tls ? "With tls consul_server_ca_cert_arn is needed." : "There is a consul_server_ca_cert_arn and tls is false."
  }
  precondition {
    condition     = local.agentless || (var.acls && !local.by_login) == (var.consul_client_token_secret_arn != "")
    error_message = var.acls && !local.by_login ? "With acl_secret_name_prefix consul_client_token_secret_arn is needed, the agent's token." : "The consul_client_token_secret_arn goes with acls and acl_secret_name_prefix."
  }
  precondition {
    condition     = (var.acls && !local.by_login) == (var.service_token_secret_arn != "")
    error_message = var.acls && !local.by_login ? "With acl_secret_name_prefix the service's token is needed: service_token_secret_arn, unless the module mesh-task makes the secret (create_service_secret)." : "The service_token_secret_arn goes with acls and acl_secret_name_prefix."
  }
  precondition {
    condition     = var.acls || var.acl_secret_name_prefix == ""
    error_message = "There is an acl_secret_name_prefix and acls is false."
  }
  precondition {
    condition     = local.agentless || local.by_login == (var.consul_http_addr != "")
    error_message = local.by_login ? "With acls give acl_secret_name_prefix (tokens from the ACL controller) or consul_http_addr (login)." : "The consul_http_addr is for a login, and this task has none: acls is false or acl_secret_name_prefix is set."
  }
  precondition {
    condition     = local.by_login || ((local.agentless || var.consul_https_ca_cert_arn == "") && var.service_token_auth_method_name == "iam-ecs-service-token" && var.client_token_auth_method_name == "iam-ecs-client-token")
    error_message = "The consul_https_ca_cert_arn and the names of auth methods are for a login, and this task has none."
  }
}

output "config_json" {
  description = "The configuration in the definition, MESHTASK_CONFIG_JSON."
  value       = local.config_json
}

output "volumes" {
  description = "Names of the volumes that the task needs besides its own: bare ones, which ECS makes for each task."
  value       = local.volumes
}

output "service_name" {
  description = "The service's name in Consul: the task's tag consul.hashicorp.com/service-name."
  value       = local.service_name
}

output "by_login" {
  description = "The task logs in with the role it has, instead of having its tokens from secrets."
  value       = local.by_login
}

output "tags" {
  description = "By these tags the ACL controller knows the task."
  value = merge(
    { "consul.hashicorp.com/mesh" = "true", "consul.hashicorp.com/service-name" = local.service_name },
    { for k, v in {
      "consul.hashicorp.com/partition" = var.consul_partition
      "consul.hashicorp.com/namespace" = var.consul_namespace
    } : k => v if v != "" },
  )
}

output "health_check_grace_period_seconds" {
  description = "What the ECS service's health_check_grace_period_seconds should be at least: consulAgent.joinTimeout, acl.wait and the app's start."
  value       = local.grace
}
