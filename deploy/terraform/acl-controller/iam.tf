# The roles. What they may do is written once, in deploy/iam, with words in
# capitals for what is this installation's.

locals {
  arn       = split(":", var.ecs_cluster_arn)
  partition = local.arn[1]
  account   = local.arn[4]

  here = { for name in ["controller-role", "controller-role-create-secrets"] : name => jsondecode(
    replace(replace(replace(replace(replace(file("${path.module}/iam/${name}.json"),
      "arn:aws:ecs:REGION:ACCOUNT:cluster/CLUSTER", var.ecs_cluster_arn),
      "arn:aws:", "arn:${local.partition}:"),
      "REGION", var.region),
      "ACCOUNT", local.account),
    "PREFIX", var.name_prefix)
  ).Statement }

  task_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.here["controller-role"], [for s in local.here["controller-role-create-secrets"] : s if var.create_secrets])
  })

  allowed    = { for s in jsondecode(file("${path.module}/iam/execution-role.json")).Statement : s.Sid => s }
  repository = try(regex("^([0-9]{12})[.]dkr[.]ecr[.]([a-z0-9-]+)[.][^/]+/([^:@]+)", var.meshtask_image), null)

  execution_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for s in [
      merge(local.allowed["WriteLogs"], { Resource = try(["arn:${local.partition}:logs:${var.log_configuration.options["awslogs-region"]}:${local.account}:log-group:${var.log_configuration.options["awslogs-group"]}:*"], []) }),
      merge(local.allowed["LogInToTheRegistry"], { Resource = ["*"] }),
      merge(local.allowed["PullTheImage"], { Resource = local.repository == null ? [] : ["arn:${local.partition}:ecr:${local.repository[1]}:${local.repository[0]}:repository/${local.repository[2]}"] }),
      merge(local.allowed["GiveTheContainersTheirSecrets"], { Resource = [for a in [var.consul_bootstrap_token_secret_arn, var.consul_server_ca_cert_arn] : a if a != ""] }),
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
  name               = "${var.name_prefix}-consul-acl-controller-task"
  assume_role_policy = local.for_tasks
  tags               = var.tags
}

resource "aws_iam_role_policy" "task" {
  name   = "meshtask"
  role   = aws_iam_role.task.id
  policy = local.task_policy
}

resource "aws_iam_role" "execution" {
  name               = "${var.name_prefix}-consul-acl-controller-execution"
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
