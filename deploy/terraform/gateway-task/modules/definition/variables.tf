# Names that terraform-aws-consul-ecs v0.5 to v0.10 has in gateway-task mean the same here.
# The module gateway-task has a copy of this file, which go test ./deploy -update writes.

variable "family" {
  description = "Family of the task definition, and name of the container. In lower case it is the gateway's name in Consul, unless consul_service_name is given."
  type        = string
}

variable "kind" {
  description = "mesh-gateway (between datacenters), terminating-gateway (to services outside the mesh) or api-gateway (from clients outside the mesh)."
  type        = string

  validation {
    condition     = contains(["mesh-gateway", "terminating-gateway", "api-gateway"], var.kind)
    error_message = "The kind must be mesh-gateway, terminating-gateway or api-gateway, not ${var.kind}."
  }
}

variable "mesh_image" {
  description = "Image of the container: it holds meshtask and envoy, and with retry_join consul (docs/images.md)."
  type        = string
}

variable "stop_timeout" {
  description = "ECS's stopTimeout in seconds, and meshtask's whole stop budget: 15 more than deregistration_delay at least. Fargate takes 120 at most."
  type        = number
  default     = 30

  validation {
    condition     = var.stop_timeout >= 5 && var.stop_timeout <= 120
    error_message = "The stop_timeout must be 5 to 120 seconds."
  }
}

variable "deregistration_delay" {
  description = "For so many seconds the load balancer in front may still send after TERM. It is shutdown.drain.min of an API gateway and of a gateway with a balancer, and the delay of the target groups that the module gateway-task makes."
  type        = number
  default     = 15

  validation {
    condition     = var.deregistration_delay >= 0 && var.deregistration_delay <= 105
    error_message = "The deregistration_delay must be 0 to 105 seconds: the gateway waits for it within its stop_timeout, of which Fargate takes 120."
  }
}

variable "health_check_start_period" {
  description = "startPeriod of the container's health check in seconds: for so long a gateway that is not healthy yet is left alone. An API gateway is healthy once it has a route. ECS takes 300 at most."
  type        = number
  default     = 120

  validation {
    condition     = var.health_check_start_period >= 0 && var.health_check_start_period <= 300
    error_message = "The health_check_start_period must be 0 to 300 seconds."
  }
}

variable "meshtask_config" {
  description = "More of meshtask's configuration (meshtask config docs), stanza by stanza, for example { gateway = { proxy = { config = { envoy_gateway_no_default_bind = true } } } }. Objects are added to, and a field that a variable of this module sets is refused."
  type        = any
  default     = {}

  validation {
    condition     = can(keys(var.meshtask_config)) && length(setintersection(try(keys(var.meshtask_config), []), ["service", "proxy", "app", "healthSyncContainers"])) == 0
    error_message = "The meshtask_config of a gateway is an object without service, proxy, app and healthSyncContainers: there is no app beside it. The gateway's own proxy configuration is gateway.proxy.config."
  }
}

variable "extra_container_definitions" {
  description = "More containers of the task, as ECS has them, left as they are: a log router, say."
  type        = any
  default     = []
}

variable "volumes" {
  description = "Volumes of the task, which the container mounts at their host_path, read-only unless read_only is false: name, host_path, read_only, and docker_volume_configuration, efs_volume_configuration or fsx_windows_file_server_volume_configuration as the resource aws_ecs_task_definition has them. For the certificates of a terminating gateway, say."
  type        = any
  default     = []

  validation {
    condition     = alltrue([for v in var.volumes : can(v.name) && startswith(try(v.host_path, ""), "/")])
    error_message = "Each of the volumes needs a name and, as its host_path, the absolute path at which the gateway mounts it."
  }
}

variable "readonly_root_filesystem" {
  description = "The container's root is read-only; the state directory gets a volume."
  type        = bool
  default     = false
}

# The gateway.

variable "consul_service_name" {
  description = "The gateway's name in Consul, and that of its config entry. Default: the family in lower case."
  type        = string
  default     = ""

  validation {
    condition     = var.consul_service_name == "" || can(regex("^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$", var.consul_service_name))
    error_message = "The consul_service_name must be of lower-case letters, digits, - and _, and begin and end with a letter or a digit."
  }
}

variable "consul_service_tags" {
  description = "Tags of the gateway in Consul."
  type        = list(string)
  default     = []
}

variable "consul_service_meta" {
  description = "Metadata of the gateway in Consul."
  type        = map(string)
  default     = {}
}

variable "consul_partition" {
  description = "Admin partition of the gateway (Consul Enterprise). Its namespace is default then."
  type        = string
  default     = ""
}

variable "lan_address" {
  description = "Of a mesh gateway: where its own datacenter finds it. Default: the task's address."
  type        = string
  default     = ""
}

variable "lan_port" {
  description = "Of a mesh gateway: where it listens. 0: 8443."
  type        = number
  default     = 0
}

variable "wan_address" {
  description = "Of a mesh gateway: where other datacenters find it. With lb_enabled the balancer's name."
  type        = string
  default     = ""
}

variable "wan_port" {
  description = "Of a mesh gateway: the port at wan_address, and the one at which the balancer of lb_enabled listens. 0: that of the LAN."
  type        = number
  default     = 0
}

variable "listener_ports" {
  description = "Of an API gateway: the ports of the listeners in its config entry, which the container and the balancer of lb_enabled have."
  type        = list(number)
  default     = [8443]

  validation {
    condition     = length(var.listener_ports) > 0 && length(var.listener_ports) <= 5 && length(distinct(var.listener_ports)) == length(var.listener_ports) && alltrue([for p in var.listener_ports : p >= 1 && p <= 65535])
    error_message = "The listener_ports must be one to five different ports from 1 to 65535: those of the listeners in the api-gateway config entry."
  }
}

variable "enable_mesh_gateway_wan_federation" {
  description = "The mesh gateway carries WAN federation: the meta consul-wan-federation. Needs TLS."
  type        = bool
  default     = false
}

variable "lb_enabled" {
  description = "There is a network load balancer in front, which the module gateway-task makes."
  type        = bool
  default     = false
}

variable "custom_load_balancer_config" {
  description = "Target groups of a load balancer of yours in front of the gateway, such as an ALB before an API gateway: target_group_arn, container_port, and perhaps container_name, the gateway's container by default; consul-dataplane, its name in terraform-aws-consul-ecs, is taken for it."
  type = list(object({
    target_group_arn = string
    container_name   = optional(string)
    container_port   = number
  }))
  default = []
}

# Consul: consul_server_hosts without a client agent, or retry_join with one.

variable "consul_server_hosts" {
  description = "The Consul servers, without a client agent: an address, a name, or exec= with a command that prints addresses, as consulServers.hosts. Without a port: those are in http_config and grpc_config."
  type        = string
  default     = ""
}

variable "skip_server_watch" {
  description = "The servers that are found at the start are those of the whole life, as behind a load balancer."
  type        = bool
  default     = false
}

variable "http_config" {
  description = "The servers' HTTP API, where tls and tls_server_name do not say it: port, https, tls, tlsServerName, caCertFile."
  type        = any
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.http_config), ["port", "https", "tls", "tlsServerName", "caCertFile"])) == 0
    error_message = "The http_config may have port, https, tls, tlsServerName and caCertFile only."
  }
}

variable "grpc_config" {
  description = "The servers' gRPC, where tls and tls_server_name do not say it: port, tls, tlsServerName, caCertFile."
  type        = any
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.grpc_config), ["port", "tls", "tlsServerName", "caCertFile"])) == 0
    error_message = "The grpc_config may have port, tls, tlsServerName and caCertFile only."
  }
}

variable "tls" {
  description = "TLS to the servers. Goes with consul_ca_cert_arn (or those of HTTP and gRPC), or with an agent consul_server_ca_cert_arn."
  type        = bool
  default     = false
}

variable "tls_server_name" {
  description = "The name in the servers' certificates, such as server.dc1.consul, where hosts are addresses."
  type        = string
  default     = ""
}

variable "consul_ca_cert_arn" {
  description = "ARN of the secret with the PEM of the servers' CA, without an agent. ECS puts it into the container."
  type        = string
  default     = ""
}

variable "consul_https_ca_cert_arn" {
  description = "ARN of the secret with the PEM of the CA of the servers' HTTPS where it is another than consul_ca_cert_arn; with an agent of consul_http_addr's."
  type        = string
  default     = ""
}

variable "consul_grpc_ca_cert_arn" {
  description = "ARN of the secret with the PEM of the CA of the servers' gRPC where it is another than consul_ca_cert_arn."
  type        = string
  default     = ""
}

variable "retry_join" {
  description = "Addresses of the Consul servers that a client agent in the task joins, as consulAgent.retryJoin."
  type        = list(string)
  default     = []
}

variable "consul_datacenter" {
  description = "Name of the datacenter, with an agent."
  type        = string
  default     = "dc1"
}

variable "consul_server_ca_cert_arn" {
  description = "ARN of the secret or parameter with the PEM of the servers' CA, with an agent."
  type        = string
  default     = ""
}

variable "gossip_key_secret_arn" {
  description = "ARN of the secret or parameter with the gossip encryption key, with an agent."
  type        = string
  default     = ""
}

variable "acls" {
  description = "The gateway has a Consul token: from the ACL controller's secret when acl_secret_name_prefix is given, else by a login with the role that the task has."
  type        = bool
  default     = false
}

variable "acl_secret_name_prefix" {
  description = "Prefix of the ACL controller's secrets."
  type        = string
  default     = ""
}

variable "service_token_secret_arn" {
  description = "ARN of the ACL controller's secret of the gateway. The module gateway-task makes that secret unless create_service_secret is false."
  type        = string
  default     = ""
}

variable "consul_client_token_secret_arn" {
  description = "ARN of the ACL controller's secret of the agents' token. Goes with acl_secret_name_prefix and retry_join."
  type        = string
  default     = ""
}

variable "consul_http_addr" {
  description = "URL of a Consul server's HTTP API, for the login of a task with an agent."
  type        = string
  default     = ""
}

variable "service_token_auth_method_name" {
  description = "Auth method of the gateway's login."
  type        = string
  default     = "iam-ecs-service-token"
}

variable "client_token_auth_method_name" {
  description = "Auth method of the agent's login."
  type        = string
  default     = "iam-ecs-client-token"
}

variable "consul_ecs_config" {
  description = "As in terraform-aws-consul-ecs: consulLogin with enabled, method, includeEntity, meta, region, stsEndpoint and serverIdHeaderValue. What it says of transparentProxy is not used: a gateway has none."
  type        = any
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.consul_ecs_config), ["consulLogin", "transparentProxy"])) == 0
    error_message = "The consul_ecs_config may have consulLogin and transparentProxy only."
  }

  validation {
    condition     = length(setsubtract(try(keys(var.consul_ecs_config.consulLogin), []), ["enabled", "method", "includeEntity", "meta", "region", "stsEndpoint", "serverIdHeaderValue"])) == 0
    error_message = "The consul_ecs_config.consulLogin may have enabled, method, includeEntity, meta, region, stsEndpoint and serverIdHeaderValue only."
  }
}

variable "log_configuration" {
  description = "ECS log configuration of the container."
  type        = any
  default     = null
}
