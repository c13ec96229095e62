# What the example does not show.

mock_provider "aws" {
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:mesh-consul-client-token-AbCdEf" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws-cn:iam::123456789012:role/mesh" }
  }
}

variables {
  meshtask_image                    = "meshtask:1"
  ecs_cluster_arn                   = "arn:aws-cn:ecs:cn-north-1:123456789012:cluster/dev"
  region                            = "cn-north-1"
  name_prefix                       = "mesh"
  consul_server_http_addr           = "http://consul:8500"
  consul_bootstrap_token_secret_arn = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:b-AbCdEf"
  subnets                           = ["subnet-1"]
}

run "one_without_tls" {
  variables {
    desired_count = 1
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["acl-controller", "--consul-client-secret-arn", "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:mesh-consul-client-token-AbCdEf", "--secret-name-prefix", "mesh"]
    error_message = "One controller needs no lock, and no other flags than these."
  }
  assert {
    condition     = [for s in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets : s.name] == ["CONSUL_HTTP_TOKEN"]
    error_message = "Without a CA there is no secret for it."
  }
  assert {
    condition     = [for s in jsondecode(local.task_policy).Statement : s.Resource if s.Effect == "Allow"] == ["*", "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:mesh-*"]
    error_message = "The policy is not this installation's."
  }
  assert {
    condition     = alltrue([for name in ["bootstrap-token", "ca-cert", "ca-key", "gossip-key"] : contains(flatten([for s in jsondecode(local.task_policy).Statement : s.Resource if s.Effect == "Deny"]), "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:mesh-${name}")])
    error_message = "The installation's own secrets are not denied."
  }
  assert {
    condition     = jsondecode(local.execution_policy).Statement[1].Resource == ["arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:b-AbCdEf"]
    error_message = "ECS must read the token, and nothing else."
  }
}

run "all_settings" {
  variables {
    create_secrets            = true
    consul_partitions_enabled = true
    consul_partition          = "p"
    extra_args                = ["--rotate-after", "720h"]
  }
  assert {
    condition     = slice(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command, 1, 2) == ["--ha"] && slice(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command, 6, 12) == ["--create-secrets", "--partitions-enabled", "--partition", "p", "--rotate-after", "720h"]
    error_message = "The flags are not what the variables say."
  }
  assert {
    condition     = contains([for s in jsondecode(local.task_policy).Statement : s.Action], "secretsmanager:CreateSecret")
    error_message = "Creating secrets needs its own action."
  }
}

run "logins" {
  variables {
    desired_count = 1
    iam_role_path = "/consul-ecs/"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["acl-controller", "--iam-role-path", "/consul-ecs/"]
    error_message = "Where tasks log in, no secret is looked after."
  }
}

run "without_agents" {
  variables {
    desired_count = 1
    agentless     = true
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["acl-controller", "--secret-name-prefix", "mesh", "--agentless"]
    error_message = "Without agents there is no token of theirs."
  }
}

run "some_without_agents" {
  variables {
    desired_count = 1
    iam_role_path = "/consul-ecs/"
    agentless     = "also"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["acl-controller", "--iam-role-path", "/consul-ecs/", "--agentless=also"]
    error_message = "The controller looks after both kinds of tasks."
  }
}

run "bad_agentless" {
  command = plan
  variables {
    agentless = "no"
  }
  expect_failures = [var.agentless]
}

run "partition_without_partitions" {
  command = plan
  variables {
    consul_partition = "p"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "bad_cluster" {
  command = plan
  variables {
    ecs_cluster_arn = "dev"
  }
  expect_failures = [var.ecs_cluster_arn]
}

run "bad_count" {
  command = plan
  variables {
    desired_count = 0
  }
  expect_failures = [var.desired_count]
}
