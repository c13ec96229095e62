locals {
  cluster_name = element(split("/", var.ecs_cluster_arn), length(split("/", var.ecs_cluster_arn)) - 1)

  # As in deploy/observability/alarms.yaml, which has more that are no reason to roll back.
  alarms = { for name, a in {
    lives-fail = {
      metric = "FailedLives", statistic = "Sum", comparison = "GreaterThanOrEqualToThreshold", threshold = 3, period = 300, periods = 1
      text   = "Three tasks have ended badly within five minutes. docs/runbook.md: The task is replaced again and again"
    }
    unhealthy = {
      metric = "Healthy", statistic = "Minimum", comparison = "LessThanThreshold", threshold = 1, period = 60, periods = 5
      text   = "A task has not been healthy for five minutes. docs/runbook.md: The task is up and not healthy"
    }
    drain-cut = {
      metric = "DrainCut", statistic = "Sum", comparison = "GreaterThanOrEqualToThreshold", threshold = 1, period = 60, periods = 1
      text   = "A stop has cut requests or connections in flight. docs/runbook.md: Requests are lost at a deployment"
    }
  } : name => a if var.metrics_namespace != "" }
}

resource "aws_cloudwatch_metric_alarm" "deployment" {
  for_each = local.alarms

  alarm_name          = "${local.cluster_name}-${var.name}-deployment-${each.key}"
  alarm_description   = each.value.text
  namespace           = var.metrics_namespace
  metric_name         = each.value.metric
  dimensions          = { Cluster = local.cluster_name, Service = var.consul_service_name != "" ? var.consul_service_name : var.name }
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = each.value.periods
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  tags                = var.tags
}

# The ACL controller knows a task by its tags, and a task has its definition's
# only with propagate_tags. At 100 % a task stops when its successor is up.
resource "aws_ecs_service" "this" {
  name                               = var.name
  cluster                            = var.ecs_cluster_arn
  task_definition                    = var.task_definition_arn
  desired_count                      = var.desired_count
  launch_type                        = length(var.capacity_provider_strategy) == 0 ? var.launch_type : null
  propagate_tags                     = "TASK_DEFINITION"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  enable_execute_command             = var.enable_execute_command
  health_check_grace_period_seconds  = length(var.load_balancers) == 0 ? null : var.health_check_grace_period_seconds
  wait_for_steady_state              = var.wait_for_steady_state
  tags                               = var.tags

  dynamic "capacity_provider_strategy" {
    for_each = var.capacity_provider_strategy
    content {
      capacity_provider = capacity_provider_strategy.value.capacity_provider
      weight            = capacity_provider_strategy.value.weight
      base              = capacity_provider_strategy.value.base
    }
  }

  # A deployment whose tasks do not become healthy ends with the revision before it.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "alarms" {
    for_each = var.metrics_namespace == "" ? [] : [true]
    content {
      enable      = true
      rollback    = true
      alarm_names = [for a in aws_cloudwatch_metric_alarm.deployment : a.alarm_name]
    }
  }

  network_configuration {
    subnets          = var.subnets
    security_groups  = var.security_groups
    assign_public_ip = var.assign_public_ip
  }

  dynamic "load_balancer" {
    for_each = var.load_balancers
    content {
      target_group_arn = load_balancer.value.target_group_arn
      container_name   = load_balancer.value.container_name
      container_port   = load_balancer.value.container_port
    }
  }

  lifecycle {
    precondition {
      condition     = length(var.capacity_provider_strategy) == 0 || var.launch_type == null
      error_message = "There are a launch_type and a capacity_provider_strategy: give launch_type = null."
    }
    precondition {
      condition     = var.launch_type == "FARGATE" || length(var.capacity_provider_strategy) > 0 || !var.assign_public_ip
      error_message = "Tasks on EC2 instances get no public address: leave assign_public_ip."
    }
  }
}
