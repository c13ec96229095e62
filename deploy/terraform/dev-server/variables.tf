variable "name_prefix" {
  description = "Prefix of what is made here, and of the secrets PREFIX-ca-cert, PREFIX-ca-key, PREFIX-gossip-key and PREFIX-bootstrap-token. Give the ACL controller the same."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,20}$", var.name_prefix))
    error_message = "The name_prefix must begin with a lower-case letter, and have at most 21 lower-case letters, digits and dashes."
  }
}

variable "datacenter" {
  description = "Name of the datacenter."
  type        = string
  default     = "dc1"
}

variable "vpc_id" {
  description = "The VPC of the server and of the tasks that reach it."
  type        = string
}

variable "subnets" {
  description = "Subnets of the server. Without a NAT gateway or endpoints they must be public, and assign_public_ip true (Fargate)."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "Give the server a public address, to pull its images by (Fargate). Its security group lets nobody in by it."
  type        = bool
  default     = false
}

variable "client_security_groups" {
  description = "Security groups of the mesh's tasks and of the ACL controller, which reach the server. They have to let it in on 8301 tcp and udp themselves."
  type        = list(string)
}

variable "ecs_cluster_arn" {
  description = "ARN of the ECS cluster."
  type        = string
}

variable "launch_type" {
  description = "FARGATE or EC2."
  type        = string
  default     = "FARGATE"

  validation {
    condition     = contains(["FARGATE", "EC2"], var.launch_type)
    error_message = "The launch_type must be FARGATE or EC2."
  }
}

variable "cpu" {
  description = "CPU units of the task."
  type        = number
  default     = 512
}

variable "memory" {
  description = "MiB of memory of the task."
  type        = number
  default     = 1024
}

variable "runtime_platform" {
  description = "Processor and operating system of the task. Default: ECS's own, X86_64 and LINUX."
  type = object({
    cpu_architecture        = string
    operating_system_family = string
  })
  default = null
}

variable "consul_image" {
  description = "Image of the server."
  type        = string
  default     = "public.ecr.aws/hashicorp/consul:1.22.6"
}

variable "aws_cli_image" {
  description = "Image with the AWS CLI, which reads and writes the secrets before the server starts."
  type        = string
  default     = "public.ecr.aws/aws-cli/aws-cli:2.31.23"
}

variable "persistent" {
  description = "Keep the server's state on EFS: services, intentions and tokens outlive the task. False: with the task they are lost, and the ACL controller makes the tokens anew. EFS takes one of the subnets in each zone: give no two of one zone."
  type        = bool
  default     = false
}

variable "config_entries" {
  description = "Configuration entries that the server makes at its first start, such as intentions: objects with Kind and Name, as consul config write has them."
  type        = any
  default     = []
}

variable "consul_configuration" {
  description = "More of the server's configuration, by its own names; an object replaces this module's of the same name."
  type        = any
  default     = {}
}

variable "ui_subnets" {
  description = "Public subnets of a load balancer in front of Consul's UI and API, in two zones at least. Empty: none."
  type        = list(string)
  default     = []
}

variable "ui_ingress_cidrs" {
  description = "Who may reach that load balancer. It is plain http: a token that is typed in there can be read on the way."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for c in var.ui_ingress_cidrs : can(cidrhost(c, 0)) && c != "0.0.0.0/0"])
    error_message = "The ui_ingress_cidrs must be blocks such as 203.0.113.7/32, and not everybody."
  }
}

variable "log_configuration" {
  description = "ECS log configuration of the containers."
  type        = any
  default     = null
}

variable "enable_execute_command" {
  description = "ECS Exec into the server, where consul has the bootstrap token already."
  type        = bool
  default     = false
}

variable "wait_for_steady_state" {
  description = "Let terraform apply wait until the server is up, and with it the secrets have their values: what uses the outputs comes later."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of everything that this module makes."
  type        = map(string)
  default     = {}
}
