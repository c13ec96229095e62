output "service_id" {
  description = "ARN of the ECS service."
  value       = aws_ecs_service.this.id
}

output "service_name" {
  description = "Name of the ECS service."
  value       = aws_ecs_service.this.name
}

output "alarm_names" {
  description = "Names of the alarms that roll a deployment back."
  value       = [for a in aws_cloudwatch_metric_alarm.deployment : a.alarm_name]
}
