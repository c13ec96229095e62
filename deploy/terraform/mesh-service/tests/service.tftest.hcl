mock_provider "aws" {}

variables {
  name                = "web"
  ecs_cluster_arn     = "arn:aws:ecs:us-east-1:123456789012:cluster/shop"
  task_definition_arn = "arn:aws:ecs:us-east-1:123456789012:task-definition/web:1"
  subnets             = ["subnet-1"]
  security_groups     = ["sg-1"]
}

run "plain" {
  assert {
    condition     = aws_ecs_service.this.propagate_tags == "TASK_DEFINITION" && aws_ecs_service.this.deployment_minimum_healthy_percent == 100 && aws_ecs_service.this.deployment_circuit_breaker[0].rollback
    error_message = "Tags, order or rollback are not what a mesh task needs."
  }
  assert {
    condition     = aws_ecs_service.this.health_check_grace_period_seconds == null && length(aws_ecs_service.this.alarms) == 0 && length(aws_cloudwatch_metric_alarm.deployment) == 0
    error_message = "Nothing is asked of a balancer or of metrics that are not there."
  }
}

run "all" {
  variables {
    metrics_namespace          = "meshtask"
    consul_service_name        = "shop"
    launch_type                = null
    capacity_provider_strategy = [{ capacity_provider = "FARGATE_SPOT" }]
    load_balancers             = [{ target_group_arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/1", container_name = "web", container_port = 8080 }]
    enable_execute_command     = true
  }
  assert {
    condition     = toset(aws_ecs_service.this.alarms[0].alarm_names) == toset(["shop-web-deployment-lives-fail", "shop-web-deployment-unhealthy", "shop-web-deployment-drain-cut"]) && aws_ecs_service.this.alarms[0].rollback
    error_message = "The deployment is not rolled back by its alarms."
  }
  assert {
    condition     = alltrue([for a in aws_cloudwatch_metric_alarm.deployment : a.dimensions == tomap({ Cluster = "shop", Service = "shop" }) && a.namespace == "meshtask"])
    error_message = "The alarms are not on the service's metrics."
  }
  assert {
    condition     = aws_ecs_service.this.health_check_grace_period_seconds == 270 && length(aws_ecs_service.this.capacity_provider_strategy) == 1 && aws_ecs_service.this.enable_execute_command
    error_message = "The service is not what the variables say."
  }
}

run "two_ways_to_place" {
  command = plan
  variables {
    capacity_provider_strategy = [{ capacity_provider = "FARGATE_SPOT" }]
  }
  expect_failures = [aws_ecs_service.this]
}

run "public_address_on_ec2" {
  command = plan
  variables {
    launch_type      = "EC2"
    assign_public_ip = true
  }
  expect_failures = [aws_ecs_service.this]
}

run "negative_grace" {
  command = plan
  variables {
    health_check_grace_period_seconds = -1
  }
  expect_failures = [var.health_check_grace_period_seconds]
}
