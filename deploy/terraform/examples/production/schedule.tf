# The job runs at night. The schedule's role may run this family on this cluster,
# tag the task, and pass on the two roles of the task; deploy/iam says so.

locals {
  scheduler = { for s in jsondecode(file("${path.module}/iam/scheduler-role.json")).Statement : s.Sid => s }
  family    = replace(module.migrate.task_definition_arn, "/:[0-9]+$/", "")
}

resource "aws_iam_role" "schedule" {
  name = "migrate-schedule"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })
}

resource "aws_iam_role_policy" "schedule" {
  name = "run-migrate"
  role = aws_iam_role.schedule.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      merge(local.scheduler["RunTheJob"], { Resource = [local.family, "${local.family}:*"], Condition = { ArnEquals = { "ecs:cluster" = aws_ecs_cluster.shop.arn } } }),
      merge(local.scheduler["GiveTheTaskItsTags"], { Resource = "${replace(aws_ecs_cluster.shop.arn, ":cluster/", ":task/")}/*" }),
      merge(local.scheduler["GiveTheTaskItsRoles"], { Resource = [module.migrate.task_role_arn, module.migrate.execution_role_arn] }),
    ]
  })
}

resource "aws_scheduler_schedule" "migrate" {
  name                         = "migrate"
  schedule_expression          = "cron(30 3 * * ? *)"
  schedule_expression_timezone = "UTC"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_ecs_cluster.shop.arn
    role_arn = aws_iam_role.schedule.arn

    ecs_parameters {
      task_definition_arn = module.migrate.task_definition_arn
      launch_type         = "FARGATE"
      propagate_tags      = "TASK_DEFINITION"

      network_configuration {
        subnets         = var.subnets
        security_groups = [aws_security_group.mesh.id]
      }
    }

    # A task that could not be placed may be tried again; one that ran and failed is not.
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 3
    }
  }
}
