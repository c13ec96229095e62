# Those of the container are in definition_variables.tf, a copy of modules/definition/variables.tf.

variable "ecs_cluster_arn" {
  description = "ARN of the ECS cluster."
  type        = string
}

variable "gateway_count" {
  description = "How many gateways run."
  type        = number
  default     = 1
}

variable "requires_compatibilities" {
  description = "Launch types that the task definition fits."
  type        = list(string)
  default     = ["EC2", "FARGATE"]
}

variable "launch_type" {
  description = "FARGATE or EC2."
  type        = string
  default     = "FARGATE"

  validation {
    condition     = contains(["FARGATE", "EC2"], var.launch_type)
    error_message = "The launch_type must be FARGATE or EC2, not ${var.launch_type}."
  }
}

variable "cpu" {
  description = "CPU units of the task."
  type        = number
  default     = 256
}

variable "memory" {
  description = "MiB of memory of the task."
  type        = number
  default     = 512
}

variable "runtime_platform" {
  description = "Processor and operating system of the task. Default: ECS's own, X86_64 and LINUX. The image must be of this architecture: another ends with exec format error."
  type = object({
    cpu_architecture        = string
    operating_system_family = string
  })
  default = null

  validation {
    condition     = var.runtime_platform == null ? true : contains(["X86_64", "ARM64"], var.runtime_platform.cpu_architecture) && var.runtime_platform.operating_system_family == "LINUX"
    error_message = "The runtime_platform must have the cpu_architecture X86_64 or ARM64, and the operating_system_family LINUX."
  }
}

variable "skip_destroy" {
  description = "Leave earlier revisions of the task definition active, so that a rollback finds them."
  type        = bool
  default     = false
}

variable "subnets" {
  description = "Subnets of the gateways. Without a NAT gateway or endpoints they must be public, and assign_public_ip true (Fargate)."
  type        = list(string)

  validation {
    condition     = length(var.subnets) > 0
    error_message = "The subnets must name one at least: it is where the gateways run."
  }
}

variable "security_groups" {
  description = "Security groups of the gateways (deploy/README.md has the ports). With lb_enabled one more, which lets the balancer in."
  type        = list(string)
  default     = []
}

variable "assign_public_ip" {
  description = "Give the gateways a public address."
  type        = bool
  default     = false
}

variable "enable_execute_command" {
  description = "ECS Exec: the service has it, and the task role what it needs. With a read-only root it needs volumes at /var/lib/amazon and /var/log/amazon."
  type        = bool
  default     = false
}

variable "wait_for_steady_state" {
  description = "Let terraform apply wait until the deployment is over, and fail when it was rolled back."
  type        = bool
  default     = false
}

variable "create_service_secret" {
  description = "Make the secret PREFIX-GATEWAY of acl_secret_name_prefix. False where another task of the gateway has made it: then give service_token_secret_arn."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of everything that this module makes."
  type        = map(string)
  default     = {}
}

variable "enable_transparent_proxy" {
  description = "Not used, and true is a warning: a gateway has no transparent proxying. A call of terraform-aws-consul-ecs often has false here."
  type        = bool
  default     = false
}

# The load balancer.

variable "lb_vpc_id" {
  description = "VPC of the balancer. Needed with lb_enabled."
  type        = string
  default     = ""
}

variable "lb_subnets" {
  description = "Subnets of the balancer, public ones where it is reached from outside the VPC. Needed with lb_enabled."
  type        = list(string)
  default     = []
}

variable "lb_internal" {
  description = "The balancer has private addresses only."
  type        = bool
  default     = false
}

variable "lb_ingress_rule_cidr_blocks" {
  description = "Who may come to the balancer."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "lb_create_security_group" {
  description = "With lb_enabled: make a security group of the gateways that lets the balancer in."
  type        = bool
  default     = true
}

variable "lb_modify_security_group" {
  description = "With lb_enabled: add that rule to the group lb_modify_security_group_id instead. With neither the rule is yours, from the output lb_source_security_group_id."
  type        = bool
  default     = false
}

variable "lb_modify_security_group_id" {
  description = "The group of lb_modify_security_group, one of security_groups."
  type        = string
  default     = ""
}

# IAM.

variable "iam_role_path" {
  description = "Path of the roles. The login's auth method may ask for it."
  type        = string
  default     = "/consul-ecs/"

  validation {
    condition     = startswith(var.iam_role_path, "/") && endswith(var.iam_role_path, "/")
    error_message = "The iam_role_path must begin and end with /."
  }
}

variable "additional_task_role_policies" {
  description = "ARNs of more policies of the task role: kms:Decrypt where a secret has a customer's key, say."
  type        = list(string)
  default     = []
}

variable "additional_execution_role_policies" {
  description = "ARNs of more policies of the execution role."
  type        = list(string)
  default     = []
}
