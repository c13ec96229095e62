output "client_token_secret_arn" {
  description = "ARN of the secret with the client agents' token: consul_client_token_secret_arn of the mesh-task module."
  value       = aws_secretsmanager_secret.client_token.arn
}

output "task_definition_arn" {
  description = "ARN of the controller's task definition."
  value       = aws_ecs_task_definition.this.arn
}
