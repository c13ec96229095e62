mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-x-AbCdEf" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/server" }
  }
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/ui/1", dns_name = "ui.example.com" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/ui/1" }
  }
  mock_resource "aws_service_discovery_service" {
    defaults = { arn = "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-1" }
  }
  mock_resource "aws_efs_access_point" {
    defaults = { arn = "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-1", id = "fsap-1" }
  }
}

variables {
  name_prefix            = "shop"
  vpc_id                 = "vpc-1"
  subnets                = ["subnet-1", "subnet-2"]
  client_security_groups = ["sg-mesh"]
  ecs_cluster_arn        = "arn:aws:ecs:us-east-1:123456789012:cluster/shop"
}

# Everything that another resource makes is unknown while planning.
run "planned" {
  command = plan
  variables {
    persistent       = true
    ui_subnets       = ["subnet-3", "subnet-4"]
    ui_ingress_cidrs = ["203.0.113.7/32"]
  }
}

run "least" {
  assert {
    condition     = [for c in output.container_definitions : c.name] == ["read-secrets", "make-secrets", "write-secrets", "consul-server"] && [for c in output.container_definitions : c.essential] == [false, false, false, true]
    error_message = "The server comes last, and it alone is essential."
  }
  assert {
    condition     = [for c in output.container_definitions : try(c.dependsOn[0].containerName, "") if try(c.dependsOn[0].condition, "SUCCESS") == "SUCCESS"] == ["", "read-secrets", "make-secrets", "write-secrets"]
    error_message = "Each container begins after the one before it has succeeded."
  }
  assert {
    condition     = local.server_config.acl.default_policy == "deny" && local.server_config.tls.internal_rpc.verify_incoming && local.server_config.auto_encrypt.allow_tls && local.server_config.ports.grpc == -1 && local.server_config.addresses.http == "127.0.0.1"
    error_message = "The server must have ACLs and TLS, and plain text within the task only."
  }
  assert {
    condition     = length(aws_lb.ui) + length(aws_efs_file_system.data) == 0 && output.ui_url == "" && output.retry_join == ["server.shop.internal"] && output.http_addr == "https://server.shop.internal:8501"
    error_message = "There is more than was asked for, or the names are others."
  }
  assert {
    condition     = toset([for r in aws_vpc_security_group_ingress_rule.clients : "${r.ip_protocol} ${r.from_port}"]) == toset(["tcp 8300", "tcp 8301", "udp 8301", "tcp 8501", "tcp 8503"])
    error_message = "The ports are not those of deploy/README.md."
  }
  assert {
    condition     = [for s in jsondecode(aws_iam_role_policy.task.policy).Statement : s.Sid] == ["KeepTheInstallationsSecrets"]
    error_message = "The task may do more than keep the secrets."
  }
  assert {
    condition     = aws_ecs_service.this.deployment_maximum_percent == 100 && aws_ecs_service.this.desired_count == 1
    error_message = "There may never be two servers."
  }
}

run "with_state_and_ui" {
  variables {
    persistent             = true
    enable_execute_command = true
    ui_subnets             = ["subnet-3", "subnet-4"]
    ui_ingress_cidrs       = ["203.0.113.7/32"]
    runtime_platform       = { cpu_architecture = "ARM64", operating_system_family = "LINUX" }
    config_entries         = [{ Kind = "service-intentions", Name = "server", Sources = [{ Name = "client", Action = "allow" }] }]
    consul_configuration   = { log_level = "DEBUG" }
  }
  assert {
    condition     = length(aws_efs_mount_target.data) == 2 && toset([for v in aws_ecs_task_definition.this.volume : v.name]) == toset(["shared", "data"]) && output.container_definitions[3].mountPoints[1].containerPath == "/consul/data"
    error_message = "The state is not on EFS."
  }
  assert {
    condition     = output.ui_url == "http://ui.example.com/ui/" && aws_ecs_service.this.load_balancer != null && [for r in aws_vpc_security_group_ingress_rule.ui : r.cidr_ipv4] == ["203.0.113.7/32"]
    error_message = "The UI is not reached, or by others."
  }
  assert {
    condition     = local.server_config.log_level == "DEBUG" && local.server_config.config_entries.bootstrap[0].Name == "server"
    error_message = "The server's configuration is not what the variables say."
  }
}

run "everybody" {
  command = plan
  variables {
    ui_subnets       = ["subnet-3"]
    ui_ingress_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.ui_ingress_cidrs]
}

run "nobody" {
  command = plan
  variables {
    ui_subnets = ["subnet-3"]
  }
  expect_failures = [aws_ecs_service.this]
}

run "public_on_ec2" {
  command = plan
  variables {
    launch_type      = "EC2"
    assign_public_ip = true
  }
  expect_failures = [aws_ecs_service.this]
}

run "bad_launch_type" {
  command = plan
  variables {
    launch_type = "EXTERNAL"
  }
  expect_failures = [var.launch_type]
}

run "bad_name_prefix" {
  command = plan
  variables {
    name_prefix = "Shop_1"
  }
  expect_failures = [var.name_prefix]
}

# The last that is applied is deploy/dev-server.json, which an e2e test lives in.
run "lived" {
  variables {
    config_entries = [{ Kind = "service-intentions", Name = "api", Sources = [{ Name = "web", Action = "allow" }, { Name = "shop", Action = "allow" }] }]
  }
  assert {
    condition     = local.server_config.config_entries.bootstrap[0].Name == "api"
    error_message = "The intentions are not in the server's configuration."
  }
}
