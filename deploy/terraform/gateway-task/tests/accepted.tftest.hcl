# The module with a mocked provider. What is in the container is tested in modules/definition.

mock_provider "aws" {
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/mgw/1", dns_name = "mgw-1.elb.us-east-1.amazonaws.com" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/mgw/1" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/consul-ecs/mgw-task" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-mgw-AbCdEf" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  family              = "mgw"
  kind                = "mesh-gateway"
  mesh_image          = "123456789012.dkr.ecr.us-east-1.amazonaws.com/meshtask-mesh:1"
  ecs_cluster_arn     = "arn:aws:ecs:us-east-1:123456789012:cluster/shop"
  subnets             = ["subnet-1"]
  security_groups     = ["sg-1"]
  consul_server_hosts = "10.0.3.7"
}

# As terraform-aws-consul-ecs's example of mesh gateways calls it.
run "mesh_gateway_behind_a_balancer" {
  variables {
    tls                      = true
    consul_ca_cert_arn       = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ca-AbCdEf"
    acls                     = true
    lb_enabled               = true
    lb_subnets               = ["subnet-2"]
    lb_vpc_id                = "vpc-1"
    wan_port                 = 443
    gateway_count            = 2
    deregistration_delay     = 20
    stop_timeout             = 40
    enable_transparent_proxy = false
    enable_execute_command   = true
    log_configuration        = { logDriver = "awslogs", options = { "awslogs-group" = "/g", "awslogs-region" = "us-east-1", "awslogs-stream-prefix" = "mgw" } }
  }
  assert {
    condition     = jsondecode(output.config_json).gateway.wanAddress == { address = "mgw-1.elb.us-east-1.amazonaws.com", port = 443 } && output.wan_address == "mgw-1.elb.us-east-1.amazonaws.com" && output.wan_port == 443
    error_message = "The WAN address is not the balancer's."
  }
  assert {
    condition     = aws_lb_listener.this["443"].port == 443 && aws_lb_target_group.this["443"].port == 8443 && aws_lb_target_group.this["443"].deregistration_delay == "20" && aws_lb.this[0].load_balancer_type == "network" && !aws_lb.this[0].internal
    error_message = "The balancer does not lead from the WAN port to the LAN port."
  }
  assert {
    condition     = jsondecode(output.config_json).shutdown == { stopTimeout = "40s", drain = { min = "20s" } }
    error_message = "The drain and the target group's delay differ."
  }
  assert {
    condition     = tolist(aws_ecs_service.this.load_balancer)[0].container_name == "mgw" && tolist(aws_ecs_service.this.load_balancer)[0].container_port == 8443 && aws_ecs_service.this.health_check_grace_period_seconds == 270
    error_message = "The service is not behind the balancer."
  }
  assert {
    condition     = aws_ecs_service.this.propagate_tags == "TASK_DEFINITION" && aws_ecs_service.this.deployment_minimum_healthy_percent == 100 && aws_ecs_service.this.deployment_circuit_breaker[0].rollback && aws_ecs_service.this.enable_execute_command && aws_ecs_service.this.desired_count == 2
    error_message = "Tags, order, rollback, ECS Exec or count are not what a gateway needs."
  }
  assert {
    condition     = aws_iam_role.task.tags == tomap({ "consul.hashicorp.com.service-name" = "mgw", "consul.hashicorp.com.gateway-kind" = "mesh-gateway" }) && aws_ecs_task_definition.this.tags["consul.hashicorp.com/gateway-kind"] == "mesh-gateway" && aws_ecs_task_definition.this.tags["consul.hashicorp.com/mesh"] == "true"
    error_message = "Login and ACL controller do not know the gateway."
  }
  assert {
    condition     = [for s in jsondecode(aws_iam_role_policy.task.policy).Statement : s.Sid] == ["ShowItself", "LetOperatorsIn"] && { for s in jsondecode(aws_iam_role_policy.execution.policy).Statement : s.Sid => s.Resource }["GiveTheContainersTheirSecrets"] == ["arn:aws:secretsmanager:us-east-1:123456789012:secret:ca-AbCdEf"]
    error_message = "The roles do not allow the login, ECS Exec and the CA."
  }
  assert {
    condition     = aws_security_group_rule.lb_ingress_rule["443"].from_port == 443 && aws_security_group_rule.lb_ingress_rule["443"].cidr_blocks == tolist(["0.0.0.0/0"]) && aws_security_group_rule.ingress["443"].from_port == 8443 && aws_security_group_rule.ingress["443"].source_security_group_id == aws_security_group.lb[0].id && contains(aws_ecs_service.this.network_configuration[0].security_groups, aws_security_group.this[0].id)
    error_message = "The way from the world to the balancer and from it to the gateways is not open."
  }
}

run "api_gateway_behind_two_listeners" {
  variables {
    family                      = "edge"
    kind                        = "api-gateway"
    listener_ports              = [80, 8443]
    lb_enabled                  = true
    lb_internal                 = true
    lb_subnets                  = ["subnet-2"]
    lb_vpc_id                   = "vpc-1"
    lb_create_security_group    = false
    lb_modify_security_group    = true
    lb_modify_security_group_id = "sg-1"
  }
  assert {
    condition     = { for k, g in aws_lb_target_group.this : k => g.name } == { "80" = "edge-80", "8443" = "edge-8443" } && toset([for b in aws_ecs_service.this.load_balancer : b.container_port]) == toset([80, 8443]) && aws_lb.this[0].internal
    error_message = "Each listener needs a target group of its own."
  }
  assert {
    condition     = length(aws_security_group.this) == 0 && alltrue([for r in aws_security_group_rule.ingress : r.security_group_id == "sg-1"]) && aws_ecs_service.this.network_configuration[0].security_groups == toset(["sg-1"])
    error_message = "The group that is given gets the rules."
  }
  assert {
    condition     = !can(jsondecode(output.config_json).gateway.wanAddress)
    error_message = "An API gateway has no WAN address."
  }
}

# As terraform-aws-consul-ecs's example of API gateways calls it: an ALB of the user's.
run "api_gateway_behind_ones_own_balancer" {
  variables {
    family                      = "edge"
    kind                        = "api-gateway"
    lb_create_security_group    = false
    acls                        = true
    acl_secret_name_prefix      = "shop"
    custom_load_balancer_config = [{ container_name = "consul-dataplane", container_port = 8443, target_group_arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/edge/2" }]
  }
  assert {
    condition     = tolist(aws_ecs_service.this.load_balancer)[0].container_name == "edge" && tolist(aws_ecs_service.this.load_balancer)[0].target_group_arn == "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/edge/2" && length(aws_lb.this) + length(aws_security_group.lb) == 0
    error_message = "The service is not behind the balancer that is given."
  }
  assert {
    condition     = aws_secretsmanager_secret.service_token[0].name == "shop-edge" && jsondecode(output.config_json).acl == { serviceToken = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-mgw-AbCdEf:token" }
    error_message = "The token is not the ACL controller's."
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.task.policy).Statement[*].Sid == ["ReadTheTasksSecrets"]
    error_message = "The task may not read its token."
  }
}

run "terminating_gateway" {
  variables {
    kind                     = "terminating-gateway"
    launch_type              = "EC2"
    readonly_root_filesystem = true
    runtime_platform         = { cpu_architecture = "ARM64", operating_system_family = "LINUX" }
    volumes                  = [{ name = "certs", host_path = "/certs", efs_volume_configuration = { file_system_id = "fs-1", authorization_config = { iam = "ENABLED" } } }]
  }
  assert {
    condition     = tomap({ for v in aws_ecs_task_definition.this.volume : v.name => length(v.efs_volume_configuration) }) == tomap({ certs = 1, meshtask_state = 0 })
    error_message = "The volumes are not the certificates' and the state's."
  }
  assert {
    condition     = length(aws_ecs_service.this.load_balancer) == 0 && aws_ecs_service.this.health_check_grace_period_seconds == null && jsondecode(aws_iam_role_policy.task.policy).Statement[*].Sid == ["Nothing"]
    error_message = "Nothing is asked of a balancer or of AWS that the gateway does not need."
  }
}

# A warning, and no more.
run "transparent_proxy" {
  command = plan
  variables {
    enable_transparent_proxy = true
  }
  expect_failures = [check.transparent_proxy]
}

# Secrets and balancer in one configuration: what they are called is unknown while planning.
run "unknown_arns" {
  command = plan
  module {
    source = "./tests/unknown"
  }
}
