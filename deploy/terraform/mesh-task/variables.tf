# Those of the containers are in definition_variables.tf, a copy of modules/definition/variables.tf.

# The task.

variable "requires_compatibilities" {
  description = "Launch types that the task definition fits."
  type        = list(string)
  default     = ["EC2", "FARGATE"]
}

variable "cpu" {
  description = "CPU units of the task."
  type        = number
  default     = 256
}

variable "memory" {
  description = "MiB of memory of the task. Agent and Envoy take about 160 of them."
  type        = number
  default     = 512
}

variable "volumes" {
  description = "Volumes of the task: name, and host_path, docker_volume_configuration, efs_volume_configuration or fsx_windows_file_server_volume_configuration as the resource aws_ecs_task_definition has them."
  type        = any
  default     = []
}

variable "tags" {
  description = "Tags of everything that this module makes."
  type        = map(string)
  default     = {}
}

variable "runtime_platform" {
  description = "Processor and operating system of the task. Default: ECS's own, X86_64 and LINUX. All images of the task must be of this architecture, that of meshtask too: an image built for one alone ends with exec format error on the other."
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

variable "ephemeral_storage_gib" {
  description = "GiB of the task's own storage, 21 to 200 (Fargate). Default: Fargate's 20."
  type        = number
  default     = null
}

variable "placement_constraints" {
  description = "Expressions of the cluster query language that an instance must meet (EC2)."
  type        = list(string)
  default     = []
}

variable "skip_destroy" {
  description = "Leave earlier revisions of the task definition active, so that a rollback finds them."
  type        = bool
  default     = false
}

variable "enable_execute_command" {
  description = "Let the task role have what ECS Exec needs. The ECS service needs enable_execute_command as well, and a container with a read-only root needs volumes at /var/lib/amazon and /var/log/amazon."
  type        = bool
  default     = false
}

variable "create_service_secret" {
  description = "Make the secret PREFIX-SERVICE of acl_secret_name_prefix. False where another task of the service has made it: then give service_token_secret_arn."
  type        = bool
  default     = true
}

# IAM.

variable "create_task_role" {
  description = "Make the task role, with what deploy/iam allows. False: give task_role, and give it the policy of the output task_role_policy."
  type        = bool
  default     = true
}

variable "task_role" {
  description = "The task role where create_task_role is false."
  type = object({
    id  = string
    arn = string
  })
  default = {
    id  = null
    arn = null
  }
}

variable "create_execution_role" {
  description = "Make the execution role, with what deploy/iam allows. False: give execution_role, and give it the policy of the output execution_role_policy."
  type        = bool
  default     = true
}

variable "execution_role" {
  description = "The execution role where create_execution_role is false."
  type = object({
    id  = string
    arn = string
  })
  default = {
    id  = null
    arn = null
  }
}

variable "iam_role_path" {
  description = "Path of the roles that are made. The login's auth method may ask for it."
  type        = string
  default     = "/consul-ecs/"

  validation {
    condition     = startswith(var.iam_role_path, "/") && endswith(var.iam_role_path, "/")
    error_message = "The iam_role_path must begin and end with /."
  }
}

variable "additional_task_role_policies" {
  description = "ARNs of more policies of the task role that is made: what the app needs, and kms:Decrypt where a secret has a customer's key."
  type        = list(string)
  default     = []
}

variable "additional_execution_role_policies" {
  description = "ARNs of more policies of the execution role that is made: ssm:GetParameters where the containers' secrets are parameters, and what a sidecar of AWS's needs to be pulled (GuardDuty). Secrets of Secrets Manager need none."
  type        = list(string)
  default     = []
}
