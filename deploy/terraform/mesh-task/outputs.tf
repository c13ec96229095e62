output "task_definition_arn" {
  description = "ARN of the task definition. Its ECS service needs propagate_tags = \"TASK_DEFINITION\", and so does run-task."
  value       = aws_ecs_task_definition.this.arn
}

output "task_role_id" {
  description = "ID of the task role."
  value       = local.task_role_id
}

output "task_role_arn" {
  description = "ARN of the task role, for who may pass it on (a schedule)."
  value       = local.task_role_arn
}

output "execution_role_id" {
  description = "ID of the execution role."
  value       = local.execution_role_id
}

output "execution_role_arn" {
  description = "ARN of the execution role, for who may pass it on (a schedule)."
  value       = local.execution_role_arn
}

output "task_tags" {
  description = "Tags of the task definition."
  value       = aws_ecs_task_definition.this.tags_all
}

output "service_token_secret_arn" {
  description = "ARN of the secret that the ACL controller fills; empty without one."
  value       = local.secret_made ? aws_secretsmanager_secret.service_token[0].arn : var.service_token_secret_arn
}

output "task_role_policy" {
  description = "What the task role must allow, as a policy."
  value       = local.task_policy
}

output "execution_role_policy" {
  description = "What the execution role must allow, as a policy."
  value       = local.execution_policy
}

output "container_definitions" {
  description = "The container definitions."
  value       = module.definition.container_definitions
}

output "health_check_grace_period_seconds" {
  description = "What the ECS service's health_check_grace_period_seconds should be at least: consulAgent.joinTimeout, acl.wait and the app's start."
  value       = module.definition.health_check_grace_period_seconds
}
