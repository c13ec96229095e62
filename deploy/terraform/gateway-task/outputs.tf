output "task_definition_arn" {
  description = "ARN of the task definition."
  value       = aws_ecs_task_definition.this.arn
}

output "service_id" {
  description = "ARN of the ECS service."
  value       = aws_ecs_service.this.id
}

output "service_name" {
  description = "The gateway's name in Consul, and that of the ECS service."
  value       = module.definition.service_name
}

output "task_role_id" {
  description = "ID of the task role."
  value       = aws_iam_role.task.id
}

output "task_role_arn" {
  description = "ARN of the task role."
  value       = aws_iam_role.task.arn
}

output "execution_role_id" {
  description = "ID of the execution role."
  value       = aws_iam_role.execution.id
}

output "execution_role_arn" {
  description = "ARN of the execution role."
  value       = aws_iam_role.execution.arn
}

output "task_tags" {
  description = "Tags of the task definition."
  value       = aws_ecs_task_definition.this.tags_all
}

output "service_token_secret_arn" {
  description = "ARN of the secret that the ACL controller fills; empty without one."
  value       = local.secret_made ? aws_secretsmanager_secret.service_token[0].arn : var.service_token_secret_arn
}

output "wan_address" {
  description = "Where other datacenters find a mesh gateway: the balancer's name with lb_enabled."
  value       = local.wan_address
}

output "wan_port" {
  description = "The port of it."
  value       = module.definition.wan_port
}

output "lb_dns_name" {
  description = "Name of the balancer of lb_enabled; null without it."
  value       = one(aws_lb.this[*].dns_name)
}

output "lb_security_group_id" {
  description = "The group of the gateways that lb_create_security_group has made; null without it."
  value       = one(aws_security_group.this[*].id)
}

output "lb_source_security_group_id" {
  description = "The balancer's group, the source of what comes to the gateways; null without lb_enabled."
  value       = one(aws_security_group.lb[*].id)
}

output "config_json" {
  description = "The configuration in the definition, MESHTASK_CONFIG_JSON."
  value       = module.definition.config_json
}

output "container_definitions" {
  description = "The container definitions."
  value       = module.definition.container_definitions
}
