output "client_url" {
  description = "The client, which answers with what the greeter says through the mesh."
  value       = module.mesh.client_url
}

output "consul_ui_url" {
  description = "Consul's UI."
  value       = module.mesh.consul_ui_url
}

output "consul_token_command" {
  description = "Prints the token to log in with."
  value       = module.mesh.consul_token_command
}
