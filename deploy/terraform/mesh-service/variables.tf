variable "name" {
  description = "Name of the ECS service."
  type        = string
}

variable "ecs_cluster_arn" {
  description = "ARN of the ECS cluster."
  type        = string
}

variable "task_definition_arn" {
  description = "ARN of the task definition: task_definition_arn of the module mesh-task."
  type        = string
}

variable "desired_count" {
  description = "How many tasks run."
  type        = number
  default     = 2
}

variable "launch_type" {
  description = "FARGATE or EC2. Null with capacity_provider_strategy."
  type        = string
  default     = "FARGATE"
}

variable "capacity_provider_strategy" {
  description = "Capacity providers instead of a launch type, such as FARGATE_SPOT: capacity_provider, weight and base."
  type = list(object({
    capacity_provider = string
    weight            = optional(number, 1)
    base              = optional(number, 0)
  }))
  default = []
}

variable "subnets" {
  description = "Subnets of the tasks. Without a NAT gateway or endpoints they must be public, and assign_public_ip true (Fargate)."
  type        = list(string)
}

variable "security_groups" {
  description = "Security groups of the tasks (deploy/README.md has the ports)."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "Give the tasks a public address."
  type        = bool
  default     = false
}

variable "load_balancers" {
  description = "Target groups that the tasks are put into (docs/load-balancers.md): target_group_arn, container_name and container_port of the app."
  type = list(object({
    target_group_arn = string
    container_name   = string
    container_port   = number
  }))
  default = []
}

variable "health_check_grace_period_seconds" {
  description = "For so long ECS leaves a new task alone that its load balancer finds unhealthy: longer than consulAgent.joinTimeout and acl.wait together, as health_check_grace_period_seconds of the module mesh-task is. Only with load_balancers."
  type        = number
  default     = 270

  validation {
    condition     = var.health_check_grace_period_seconds >= 0
    error_message = "The health_check_grace_period_seconds must not be negative."
  }
}

variable "enable_execute_command" {
  description = "ECS Exec. The task's role needs it too: enable_execute_command of the module mesh-task."
  type        = bool
  default     = false
}

variable "wait_for_steady_state" {
  description = "Let terraform apply wait until the deployment is over, and fail when it was rolled back."
  type        = bool
  default     = false
}

variable "metrics_namespace" {
  description = "Namespace of meshtask's metrics in CloudWatch, log.emf.namespace of its configuration. With it three alarms are made that stop a deployment and roll it back: lives that fail, tasks that do not become healthy, requests that a stop has cut. Empty: no alarms."
  type        = string
  default     = ""
}

variable "consul_service_name" {
  description = "The service's name in Consul, a dimension of the metrics. Default: name."
  type        = string
  default     = ""
}

variable "alarm_actions" {
  description = "ARNs of who hears of the alarms, such as an SNS topic."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of everything that this module makes."
  type        = map(string)
  default     = {}
}
