# The roles. What they may do is written once, in deploy/iam, of which iam/ is a copy.

data "aws_partition" "current" {}

locals {
  allowed = { for s in flatten([
    for file in ["dev-server-role", "execution-role", "task-role-exec"] : jsondecode(file("${path.module}/iam/${file}.json")).Statement
  ]) : s.Sid => s }

  task_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for s in [
      merge(local.allowed["KeepTheInstallationsSecrets"], { Resource = [for s in aws_secretsmanager_secret.this : s.arn] }),
      merge(local.allowed["LetOperatorsIn"], { Resource = var.enable_execute_command ? ["*"] : [] }),
    ] : s if length(s.Resource) > 0]
  })

  repositories = distinct(flatten([
    for r in [for image in [var.consul_image, var.aws_cli_image] : try(regex("^([0-9]{12})[.]dkr[.]ecr[.]([a-z0-9-]+)[.][^/]+/([^:@]+)", image), null)] :
    r == null ? [] : ["arn:${data.aws_partition.current.partition}:ecr:${r[1]}:${r[0]}:repository/${r[2]}"]
  ]))
  log_groups = try(["arn:${data.aws_partition.current.partition}:logs:${var.log_configuration.options["awslogs-region"]}:*:log-group:${var.log_configuration.options["awslogs-group"]}:*"], [])

  execution_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for s in [
      merge(local.allowed["WriteLogs"], { Resource = local.log_groups }),
      merge(local.allowed["LogInToTheRegistry"], { Resource = ["*"] }),
      merge(local.allowed["PullTheImage"], { Resource = local.repositories }),
    ] : s if length(s.Resource) > 0]
  })

  for_tasks = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role" "task" {
  name               = "${local.name}-task"
  assume_role_policy = local.for_tasks
  tags               = var.tags
}

resource "aws_iam_role_policy" "task" {
  name   = "meshtask"
  role   = aws_iam_role.task.id
  policy = local.task_policy
}

resource "aws_iam_role" "execution" {
  name               = "${local.name}-execution"
  assume_role_policy = local.for_tasks
  tags               = var.tags
}

resource "aws_iam_role_policy" "execution" {
  name   = "meshtask"
  role   = aws_iam_role.execution.id
  policy = local.execution_policy
}
