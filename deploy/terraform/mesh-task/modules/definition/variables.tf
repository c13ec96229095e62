# Names that terraform-aws-consul-ecs v0.3 to v0.6 has mean the same here.
# The README of deploy/terraform lists the others, and what became of those that are
# missing. The module mesh-task has a copy of this file, which go test ./deploy -update writes.

variable "family" {
  description = "Family of the task definition. In lower case it is the service's name in Consul, unless consul_service_name is given."
  type        = string
}

variable "container_definitions" {
  description = "The application's container definitions, as ECS has them (camelCase) and as they would be without a mesh. The entrypoint of app containers becomes meshtask, and ECS then drops the image's ENTRYPOINT and CMD: an app container needs a command or an entryPoint here, or its image's configuration in image_configs."
  type        = any
}

variable "app_containers" {
  description = "Names of the containers that meshtask runs the command of. Others are left as they are. Default: all but FireLens's log router, the known agents (Datadog, X-Ray, OpenTelemetry, CloudWatch, Fluent Bit and others) and those with essential = false."
  type        = list(string)
  default     = null
}

variable "layout" {
  description = "single: the app's container also holds the agent and Envoy. siblings: they get a container of their own, which needs mesh_image. Default: single for one app container, else siblings; siblings with inject."
  type        = string
  default     = null

  validation {
    condition     = var.layout == null ? true : contains(["single", "siblings"], var.layout)
    error_message = "The layout must be single or siblings."
  }
}

variable "inject" {
  description = "Leave the app containers' images as they are: a first container, meshtask-install, puts meshtask into a volume that they mount read-only, and they start when it has ended with 0. Siblings layout only."
  type        = bool
  default     = false
}

variable "image_configs" {
  description = "What images declare, by the name of the app container: jsondecode(file(\"web.json\")) of `docker inspect IMAGE >web.json`, or of the image's configuration from a registry. Its ENTRYPOINT and CMD are used where the container names no command, its STOPSIGNAL begins a stop."
  type        = any
  default     = {}

  validation {
    condition     = can(keys(var.image_configs)) && alltrue([for c in try(values(var.image_configs), []) : can(keys(try(c[0].Config, c.Config, c.config)))])
    error_message = "The image_configs must be a map from a container's name to what docker inspect IMAGE prints, or to an image's configuration from a registry: { web = jsondecode(file(\"web.json\")) }. One of them has no Config."
  }
}

variable "mesh_image" {
  description = "Image of the mesh container of the siblings layout: it holds meshtask, consul and envoy (docs/use-siblings.md)."
  type        = string
  default     = ""
}

variable "mesh_container" {
  description = "More of the mesh container, as ECS has it: user, readonlyRootFilesystem, cpu, memory, memoryReservation, ulimits, linuxParameters, secrets, environment, mountPoints and the like. With a read-only root the state directory gets a volume. Siblings layout only."
  type        = any
  default     = {}

  validation {
    condition     = can(keys(var.mesh_container)) && length(setsubtract(try(keys(var.mesh_container), []), ["user", "readonlyRootFilesystem", "cpu", "memory", "memoryReservation", "ulimits", "linuxParameters", "secrets", "environment", "environmentFiles", "mountPoints", "portMappings", "logConfiguration", "repositoryCredentials", "dockerLabels", "dockerSecurityOptions", "resourceRequirements", "systemControls"])) == 0
    error_message = "The mesh_container may have user, readonlyRootFilesystem, cpu, memory, memoryReservation, ulimits, linuxParameters, secrets, environment, environmentFiles, mountPoints, portMappings, logConfiguration, repositoryCredentials, dockerLabels, dockerSecurityOptions, resourceRequirements and systemControls; it has ${join(", ", setsubtract(try(keys(var.mesh_container), ["no names"]), ["user", "readonlyRootFilesystem", "cpu", "memory", "memoryReservation", "ulimits", "linuxParameters", "secrets", "environment", "environmentFiles", "mountPoints", "portMappings", "logConfiguration", "repositoryCredentials", "dockerLabels", "dockerSecurityOptions", "resourceRequirements", "systemControls"]))}. The image is mesh_image; the rest is this module's."
  }
}

variable "meshtask_binary" {
  description = "meshtask in the app containers: a name on PATH or a path. Default: meshtask; with inject /mesh/meshtask, and there another one is DIR/meshtask."
  type        = string
  default     = null
}

variable "job" {
  description = "A task that runs to completion (docs/use-job.md). Single layout only."
  type        = bool
  default     = false
}

variable "stop_timeout" {
  description = "ECS's stopTimeout in seconds of the containers that meshtask is in, and meshtask's whole stop budget. Fargate takes 120 at most."
  type        = number
  default     = 30

  validation {
    condition     = var.stop_timeout >= 5 && var.stop_timeout <= 120
    error_message = "The stop_timeout must be 5 to 120 seconds."
  }
}

variable "health_check_start_period" {
  description = "startPeriod of the task's health check in seconds, and of the apps' in the siblings layout: for so long a task that is not healthy yet is left alone. It should be longer than the agent's join and the wait for tokens usually take; a healthCheck's own startPeriod is added. ECS takes 300 at most."
  type        = number
  default     = 120

  validation {
    condition     = var.health_check_start_period >= 0 && var.health_check_start_period <= 300
    error_message = "The health_check_start_period must be 0 to 300 seconds."
  }
}

variable "meshtask_config" {
  description = "More of meshtask's configuration (meshtask config docs), stanza by stanza, for example { health = { app = { http = \"http://127.0.0.1:8080/health\" } } }, which needs no shell and no curl as a healthCheck may (also tcp and grpc). The only sibling is asked in its own container, by meshtask probe. Objects are added to, and a field that a variable of this module sets is refused."
  type        = any
  default     = {}
}

# The service.

variable "consul_service_name" {
  description = "The service's name in Consul. Default: the family in lower case."
  type        = string
  default     = ""

  validation {
    condition     = var.consul_service_name == "" || can(regex("^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$", var.consul_service_name))
    error_message = "The consul_service_name must be of lower-case letters, digits, - and _, and begin and end with a letter or a digit."
  }
}

variable "consul_service_tags" {
  description = "Tags of the service in Consul."
  type        = list(string)
  default     = []
}

variable "consul_service_meta" {
  description = "Metadata of the service in Consul."
  type        = map(string)
  default     = {}
}

variable "consul_namespace" {
  description = "Namespace of the service (Consul Enterprise). Goes with consul_partition."
  type        = string
  default     = ""
}

variable "consul_partition" {
  description = "Admin partition of the service and of the agent (Consul Enterprise). Goes with consul_namespace."
  type        = string
  default     = ""
}

variable "port" {
  description = "Where the application listens. 0: nowhere; then outbound_only or job must be true."
  type        = number
  default     = 0
}

variable "outbound_only" {
  description = "The application takes no requests. Must be true when port is 0 (a job needs no word of it), and false otherwise."
  type        = bool
  default     = false
}

variable "envoy_public_listener_port" {
  description = "Where Envoy takes the mesh's requests. Security groups have to let it in."
  type        = number
  default     = 20000

  validation {
    condition     = var.envoy_public_listener_port >= 1 && var.envoy_public_listener_port <= 65535
    error_message = "The envoy_public_listener_port must be 1 to 65535."
  }
}

variable "upstreams" {
  description = "Services that the application calls, as proxy.upstreams of the configuration: destinationName and localBindPort are required."
  type        = any
  default     = []

  validation {
    condition     = alltrue([for u in var.upstreams : can(u.destinationName) && can(u.localBindPort)])
    error_message = "Each of the upstreams needs destinationName and localBindPort."
  }
}

variable "checks" {
  description = "Native Consul checks of the service, as service.checks of the configuration. With them the containers' ECS health is not synced."
  type        = any
  default     = []
}

variable "consul_ecs_config" {
  description = "As in terraform-aws-consul-ecs: service with enableTagOverride and weights, proxy with meshGateway, expose and config, and, with consul_server_hosts, consulLogin with method, includeEntity, meta, region, stsEndpoint and serverIdHeaderValue."
  type        = any
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.consul_ecs_config), ["service", "proxy", "consulLogin"])) == 0
    error_message = "The consul_ecs_config may have service, proxy and consulLogin only."
  }

  validation {
    condition     = length(setsubtract(try(keys(var.consul_ecs_config.consulLogin), []), ["enabled", "method", "includeEntity", "meta", "region", "stsEndpoint", "serverIdHeaderValue"])) == 0
    error_message = "The consul_ecs_config.consulLogin may have enabled, method, includeEntity, meta, region, stsEndpoint and serverIdHeaderValue only."
  }

  validation {
    condition     = length(setsubtract(try(keys(var.consul_ecs_config.service), []), ["enableTagOverride", "weights"])) == 0
    error_message = "The consul_ecs_config.service may have enableTagOverride and weights only."
  }

  validation {
    condition     = length(setsubtract(try(keys(var.consul_ecs_config.proxy), []), ["meshGateway", "expose", "config"])) == 0
    error_message = "The consul_ecs_config.proxy may have meshGateway, expose and config only."
  }
}

variable "application_shutdown_delay_seconds" {
  description = "The application is told to stop no earlier than this many seconds after TERM, whatever the drain says (shutdown.drain.min)."
  type        = number
  default     = 0
}

# Consul.

variable "retry_join" {
  description = "Addresses of the Consul servers to join, as consulAgent.retryJoin. Required unless consul_server_hosts is given."
  type        = list(string)
  default     = []
}

variable "consul_server_hosts" {
  description = "Address of the Consul servers, for a task without a Consul agent (docs/agentless.md): an IP address, a DNS name, or exec=CMD with a command that prints addresses; no port (http_config.port, grpc_config.port)."
  type        = string
  default     = ""
}

variable "skip_server_watch" {
  description = "The servers of the start are those of the task's whole life: where they are behind a load balancer. Goes with consul_server_hosts."
  type        = bool
  default     = false
}

variable "tls_server_name" {
  description = "Name in the servers' certificates, such as server.dc1.consul. Goes with consul_server_hosts."
  type        = string
  default     = ""
}

variable "ca_cert_file" {
  description = "File in the container that runs the mesh with the PEM of the servers' CA. consul_ca_cert_arn and the like win over it. Goes with consul_server_hosts."
  type        = string
  default     = ""
}

variable "consul_ca_cert_arn" {
  description = "ARN of the secret or parameter with the PEM of the CA of the servers' HTTP and gRPC interfaces. ECS gives it to the container that runs the mesh. Goes with consul_server_hosts."
  type        = string
  default     = ""
}

variable "consul_grpc_ca_cert_arn" {
  description = "The same of the gRPC interface alone; wins over consul_ca_cert_arn."
  type        = string
  default     = ""
}

variable "http_config" {
  description = "More of consulServers.http: port (8501 with tls, else 8500), https, tls, tlsServerName, caCertFile. Goes with consul_server_hosts."
  type        = any
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.http_config), ["port", "https", "tls", "tlsServerName", "caCertFile"])) == 0
    error_message = "The http_config may have port, https, tls, tlsServerName and caCertFile only."
  }
}

variable "grpc_config" {
  description = "More of consulServers.grpc: port (8503 with tls, else 8502), tls, tlsServerName, caCertFile. Goes with consul_server_hosts."
  type        = any
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.grpc_config), ["port", "tls", "tlsServerName", "caCertFile"])) == 0
    error_message = "The grpc_config may have port, tls, tlsServerName and caCertFile only."
  }
}

variable "enable_transparent_proxy" {
  description = "Must be false, or absent: meshtask has no transparent proxying. Name what the app calls in upstreams."
  type        = bool
  default     = false
}

variable "consul_datacenter" {
  description = "Name of the datacenter."
  type        = string
  default     = "dc1"
}

variable "consul_primary_datacenter" {
  description = "Name of the primary datacenter of a WAN federation: primary_datacenter of the agent."
  type        = string
  default     = ""
}

variable "enable_acl_token_replication" {
  description = "The datacenter's servers replicate tokens of the primary one: acl.enable_token_replication of the agent."
  type        = bool
  default     = false
}

variable "consul_agent_configuration" {
  description = "More configuration of the Consul agent, as JSON: jsonencode({...}). Other than in terraform-aws-consul-ecs, HCL is not taken, and keys that meshtask writes itself are refused when the task starts."
  type        = string
  default     = ""

  validation {
    condition     = var.consul_agent_configuration == "" || can(keys(jsondecode(var.consul_agent_configuration)))
    error_message = "The consul_agent_configuration must be a JSON object: jsonencode({...}), not HCL."
  }
}

variable "tls" {
  description = "TLS between agent and servers. Goes with consul_server_ca_cert_arn; with consul_server_hosts, with consul_ca_cert_arn and the like."
  type        = bool
  default     = false
}

variable "consul_server_ca_cert_arn" {
  description = "ARN of the secret or parameter with the PEM of the servers' CA."
  type        = string
  default     = ""
}

variable "gossip_key_secret_arn" {
  description = "ARN of the secret or parameter with the gossip encryption key."
  type        = string
  default     = ""
}

variable "acls" {
  description = "The task has Consul tokens: from the ACL controller's secrets when acl_secret_name_prefix is given (v0.3 and v0.4), else by a login with the aws-iam auth method at consul_http_addr (v0.5), or at one of consul_server_hosts (v0.7)."
  type        = bool
  default     = false
}

variable "consul_client_token_secret_arn" {
  description = "ARN of the ACL controller's secret of the agents' token. Goes with acl_secret_name_prefix; with a login the agent logs in as well."
  type        = string
  default     = ""
}

variable "acl_secret_name_prefix" {
  description = "Prefix of the ACL controller's secrets. The service's, PREFIX-SERVICE, has no value from Terraform: the controller fills it, so that no token is in the state."
  type        = string
  default     = ""
}

variable "service_token_secret_arn" {
  description = "ARN of the ACL controller's secret of the service. The module mesh-task makes that secret unless create_service_secret is false, which the second of two tasks of one service needs."
  type        = string
  default     = ""
}

variable "consul_http_addr" {
  description = "URL of a Consul server's HTTP API, for the login."
  type        = string
  default     = ""
}

variable "consul_https_ca_cert_arn" {
  description = "ARN of the secret or parameter with the PEM of the CA of consul_http_addr, where it is not that of the servers. With consul_server_hosts: of the servers' HTTP interface; wins over consul_ca_cert_arn."
  type        = string
  default     = ""
}

variable "client_token_auth_method_name" {
  description = "Auth method of the agent's login."
  type        = string
  default     = "iam-ecs-client-token"
}

variable "service_token_auth_method_name" {
  description = "Auth method of the service's login."
  type        = string
  default     = "iam-ecs-service-token"
}

# Logs.

variable "log_configuration" {
  description = "ECS log configuration of the containers that have none of their own, the mesh container among them; not of a FireLens log router."
  type        = any
  default     = null
}
