output "services" {
  description = "ECS services, by name."
  value       = { for name, s in module.services : name => s.service_id }
}

output "deployment_alarms" {
  description = "Alarms that roll a deployment back, by service."
  value       = { for name, s in module.services : name => s.alarm_names }
}
