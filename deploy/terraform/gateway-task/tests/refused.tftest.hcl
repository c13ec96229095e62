# What cannot be meant of balancer, roles, secrets and service is refused: each run has one
# mistake. The definition's own are in modules/definition/tests.

mock_provider "aws" {}

variables {
  family              = "edge"
  kind                = "api-gateway"
  mesh_image          = "mesh:1"
  ecs_cluster_arn     = "arn:aws:ecs:us-east-1:123456789012:cluster/shop"
  subnets             = ["subnet-1"]
  consul_server_hosts = "10.0.3.7"
}

run "balancer_without_subnets" {
  command = plan
  variables {
    lb_enabled = true
    lb_vpc_id  = "vpc-1"
  }
  expect_failures = [aws_lb.this]
}

run "balancer_without_a_vpc" {
  command = plan
  variables {
    lb_enabled = true
    lb_subnets = ["subnet-2"]
  }
  expect_failures = [aws_lb.this]
}

run "two_ways_to_open" {
  command = plan
  variables {
    kind                        = "mesh-gateway"
    lb_enabled                  = true
    lb_vpc_id                   = "vpc-1"
    lb_subnets                  = ["subnet-2"]
    lb_modify_security_group    = true
    lb_modify_security_group_id = "sg-1"
  }
  expect_failures = [aws_lb.this]
}

run "no_group_to_modify" {
  command = plan
  variables {
    kind                     = "mesh-gateway"
    lb_enabled               = true
    lb_vpc_id                = "vpc-1"
    lb_subnets               = ["subnet-2"]
    lb_create_security_group = false
    lb_modify_security_group = true
  }
  expect_failures = [aws_lb.this]
}

run "two_wan_addresses" {
  command = plan
  variables {
    kind        = "mesh-gateway"
    lb_enabled  = true
    lb_vpc_id   = "vpc-1"
    lb_subnets  = ["subnet-2"]
    wan_address = "203.0.113.7"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "two_secrets" {
  command = plan
  variables {
    acls                     = true
    acl_secret_name_prefix   = "shop"
    service_token_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-edge-AbCdEf"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "no_secret_to_leave_out" {
  command = plan
  variables {
    create_service_secret = false
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "public_address_on_ec2" {
  command = plan
  variables {
    launch_type      = "EC2"
    assign_public_ip = true
  }
  expect_failures = [aws_ecs_service.this]
}

run "unknown_launch_type" {
  command = plan
  variables {
    launch_type = "EXTERNAL"
  }
  expect_failures = [var.launch_type]
}

run "bad_runtime_platform" {
  command = plan
  variables {
    runtime_platform = { cpu_architecture = "ARM", operating_system_family = "LINUX" }
  }
  expect_failures = [var.runtime_platform]
}

run "bad_iam_role_path" {
  command = plan
  variables {
    iam_role_path = "mesh"
  }
  expect_failures = [var.iam_role_path]
}

run "no_subnets" {
  command = plan
  variables {
    subnets = []
  }
  expect_failures = [var.subnets]
}
