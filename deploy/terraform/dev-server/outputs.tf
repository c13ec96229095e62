# What a task or the controller needs is there once the server is up.

output "retry_join" {
  description = "retry_join of the module mesh-task."
  value       = [local.server_name]
  depends_on  = [aws_ecs_service.this]
}

output "http_addr" {
  description = "URL of the server's HTTP API within the VPC: consul_server_http_addr of the module acl-controller, consul_http_addr of mesh-task."
  value       = "https://${local.server_name}:8501"
  depends_on  = [aws_ecs_service.this]
}

output "ca_cert_arn" {
  description = "ARN of the secret with the PEM of the server's CA: consul_server_ca_cert_arn of the modules."
  value       = aws_secretsmanager_secret.this["ca-cert"].arn
  depends_on  = [aws_ecs_service.this]
}

output "gossip_key_arn" {
  description = "ARN of the secret with the gossip key: gossip_key_secret_arn of the module mesh-task."
  value       = aws_secretsmanager_secret.this["gossip-key"].arn
  depends_on  = [aws_ecs_service.this]
}

output "bootstrap_token_arn" {
  description = "ARN of the secret with the management token: consul_bootstrap_token_secret_arn of the module acl-controller, and yours to log in with."
  value       = aws_secretsmanager_secret.this["bootstrap-token"].arn
  depends_on  = [aws_ecs_service.this]
}

output "security_group_id" {
  description = "Security group of the server: the mesh's tasks let it in on 8301 tcp and udp."
  value       = aws_security_group.server.id
}

output "ui_url" {
  description = "Consul's UI; empty without ui_subnets."
  value       = local.ui == 1 ? "http://${aws_lb.ui[0].dns_name}/ui/" : ""
}

output "container_definitions" {
  description = "The container definitions."
  value       = concat(local.first, [local.server])
}
