# Names that terraform-aws-consul-ecs v0.2 to v0.5 has mean the same here.

variable "meshtask_image" {
  description = "Image with meshtask on PATH and CA certificates; the mesh container's is one. consul and envoy are not needed."
  type        = string
}

variable "ecs_cluster_arn" {
  description = "ARN of the ECS cluster that the controller runs in and works for."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:ecs:[^:]+:[0-9]{12}:cluster/.+$", var.ecs_cluster_arn))
    error_message = "The ecs_cluster_arn must be the ARN of a cluster."
  }
}

variable "region" {
  description = "Region of the ECS cluster."
  type        = string
}

variable "name_prefix" {
  description = "Prefix of what is made here, and of the names of the secrets that the controller may read and write."
  type        = string

  validation {
    condition     = var.name_prefix != ""
    error_message = "The name_prefix must not be empty."
  }
}

variable "consul_server_http_addr" {
  description = "URL of a Consul server's HTTP API, such as https://consul.example.com:8501."
  type        = string
}

variable "consul_bootstrap_token_secret_arn" {
  description = "ARN of the secret with the controller's Consul token. Its smallest policy is deploy/consul/acl-controller.hcl."
  type        = string
}

variable "consul_server_ca_cert_arn" {
  description = "ARN of the secret with the PEM of the servers' CA. Empty: the URL is plain, or its CA is one of the image's."
  type        = string
  default     = ""
}

variable "iam_role_path" {
  description = "Path of the tasks' IAM roles, such as /consul-ecs/: tasks log in by them. Empty: they have tokens by secrets. For both at once add the flags of the other by extra_args."
  type        = string
  default     = ""
}

variable "agentless" {
  description = "true: tasks have no Consul agents, and the controller keeps their node and takes away what killed ones have left. also: some have. Empty: all have."
  type        = string
  default     = ""

  validation {
    condition     = contains(["", "true", "also"], var.agentless)
    error_message = "The agentless must be true or also, or empty."
  }
}

variable "consul_partitions_enabled" {
  description = "Work with partitions and namespaces (Consul Enterprise)."
  type        = bool
  default     = false
}

variable "consul_partition" {
  description = "The partition to work for (Consul Enterprise)."
  type        = string
  default     = "default"
}

variable "subnets" {
  description = "Subnets of the controller's tasks. Without a NAT gateway or endpoints they must be public, and assign_public_ip true."
  type        = list(string)
}

variable "security_groups" {
  description = "Security groups of the controller's tasks. Default: the VPC's default group."
  type        = list(string)
  default     = []
}

variable "assign_public_ip" {
  description = "Give the controller's tasks a public address."
  type        = bool
  default     = false
}

variable "requires_compatibilities" {
  description = "Launch types that the task definition fits."
  type        = list(string)
  default     = ["EC2", "FARGATE"]
}

variable "launch_type" {
  description = "Launch type of the service: EC2 or FARGATE."
  type        = string
  default     = "FARGATE"
}

variable "runtime_platform" {
  description = "Processor and operating system of the task. Default: ECS's own, X86_64 and LINUX."
  type = object({
    cpu_architecture        = string
    operating_system_family = string
  })
  default = null
}

variable "log_configuration" {
  description = "ECS log configuration of the container."
  type        = any
  default     = null
}

variable "additional_execution_role_policies" {
  description = "ARNs of more policies of the execution role."
  type        = list(string)
  default     = []
}

variable "desired_count" {
  description = "How many controllers run. With two or more one of them works, and another takes over when it ends (--ha)."
  type        = number
  default     = 2

  validation {
    condition     = var.desired_count >= 1
    error_message = "The desired_count must be 1 or more."
  }
}

variable "create_secrets" {
  description = "Create the services' secrets that do not exist (--create-secrets). The mesh-task module makes its own, so that it need not."
  type        = bool
  default     = false
}

variable "extra_args" {
  description = "More flags of meshtask acl-controller, such as [\"--rotate-after\", \"720h\"]."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of everything that this module makes."
  type        = map(string)
  default     = {}
}
