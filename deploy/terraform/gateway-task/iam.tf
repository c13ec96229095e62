# The roles. What they may do is written once, in deploy/iam, of which iam/ is a
# copy; here the statements get the ARNs that this task has.

data "aws_partition" "current" {}

locals {
  allowed = { for s in flatten([
    for file in ["task-role", "task-role-parameters", "task-role-login", "task-role-exec", "execution-role"] :
    jsondecode(file("${path.module}/iam/${file}.json")).Statement
  ]) : s.Sid => s }

  # Every reference in the configuration, without what follows the secret's name.
  secret_arns    = distinct([for r in regexall("arn:[^:\"]+:secretsmanager:[^\"]+", module.definition.config_json) : join(":", slice(split(":", r), 0, 7))])
  parameter_arns = distinct(regexall("arn:[^:\"]+:ssm:[^\"]+", module.definition.config_json))

  # IAM refuses a policy without statements, and whether there are any may depend on
  # ARNs that are unknown while planning: a count cannot. Nobody has none:null.
  allows = [for s in [
    merge(local.allowed["ReadTheTasksSecrets"], { Resource = local.secret_arns }),
    merge(local.allowed["ReadTheTasksParameters"], { Resource = local.parameter_arns }),
    merge(local.allowed["ShowItself"], { Resource = module.definition.by_login ? [aws_iam_role.task.arn] : [] }),
    merge(local.allowed["LetOperatorsIn"], { Resource = var.enable_execute_command ? ["*"] : [] }),
  ] : s if length(s.Resource) > 0]
  task_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.allows, [for s in [{ Sid = "Nothing", Effect = "Deny", Action = "none:null", Resource = ["*"] }] : s if length(local.allows) == 0])
  })

  images = distinct([for c in module.definition.container_definitions : c.image])
  repositories = distinct(flatten([
    for r in [for image in local.images : try(regex("^([0-9]{12})[.]dkr[.]ecr[.]([a-z0-9-]+)[.][^/]+/([^:@]+)", image), null)] :
    r == null ? [] : ["arn:${data.aws_partition.current.partition}:ecr:${r[1]}:${r[0]}:repository/${r[2]}"]
  ]))
  log_groups = distinct(flatten([
    for o in [for c in module.definition.container_definitions : try(c.logConfiguration.logDriver, "") == "awslogs" ? c.logConfiguration.options : null] :
    o == null ? [] : ["arn:${data.aws_partition.current.partition}:logs:${o["awslogs-region"]}:*:log-group:${o["awslogs-group"]}:*"]
  ]))

  # What ECS itself puts into containers. Whole parameters need a policy of their own.
  given_arns = distinct([for r in flatten([for c in module.definition.container_definitions : [for s in flatten([for list in [try(c.secrets, null)] : list if list != null]) : s.valueFrom]]) :
    join(":", slice(split(":", r), 0, 7)) if can(regex("^arn:[^:]+:secretsmanager:", r))
  ])

  execution_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for s in [
      merge(local.allowed["WriteLogs"], { Resource = local.log_groups }),
      merge(local.allowed["LogInToTheRegistry"], { Resource = ["*"] }),
      merge(local.allowed["PullTheImage"], { Resource = local.repositories }),
      merge(local.allowed["GiveTheContainersTheirSecrets"], { Resource = local.given_arns }),
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
  name               = "${var.family}-task"
  path               = var.iam_role_path
  assume_role_policy = local.for_tasks
  # By these Consul's auth method knows the gateway, and what it may do.
  tags = merge(var.tags, module.definition.role_tags)
}

resource "aws_iam_role_policy" "task" {
  name   = "meshtask"
  role   = aws_iam_role.task.id
  policy = local.task_policy
}

resource "aws_iam_role_policy_attachment" "task" {
  count = length(var.additional_task_role_policies)

  role       = aws_iam_role.task.id
  policy_arn = var.additional_task_role_policies[count.index]
}

resource "aws_iam_role" "execution" {
  name               = "${var.family}-execution"
  path               = var.iam_role_path
  assume_role_policy = local.for_tasks
  tags               = var.tags
}

resource "aws_iam_role_policy" "execution" {
  name   = "meshtask"
  role   = aws_iam_role.execution.id
  policy = local.execution_policy
}

resource "aws_iam_role_policy_attachment" "execution" {
  count = length(var.additional_execution_role_policies)

  role       = aws_iam_role.execution.id
  policy_arn = var.additional_execution_role_policies[count.index]
}
