output "cluster_name" {
  description = "Name of the ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "private_subnets" {
  description = "Subnets of the tasks."
  value       = aws_subnet.private[*].id
}

output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "client_url" {
  description = "The client, which answers with what the greeter says through the mesh."
  value       = "http://${aws_lb.client.dns_name}/"
}

output "consul_ui_url" {
  description = "Consul's UI."
  value       = module.dev_server.ui_url
}

output "consul_token_command" {
  description = "Prints the token to log in with."
  value       = "aws secretsmanager get-secret-value --region ${var.region} --secret-id ${var.name}-bootstrap-token --query SecretString --output text"
}
