# Without AWS: what it would answer is given here. Nothing is built and nothing is pushed.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_availability_zones" {
    defaults = { names = ["us-east-1a", "us-east-1b", "us-east-1c"] }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { insecure_value = "ami-0123456789abcdef0" }
  }
  mock_resource "aws_ecs_cluster" {
    defaults = { arn = "arn:aws:ecs:us-east-1:123456789012:cluster/meshtask-ec2" }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:us-east-1:123456789012:task-definition/x:1" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:meshtask-ec2-x-AbCdEf" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/x" }
  }
  mock_resource "aws_iam_instance_profile" {
    defaults = { arn = "arn:aws:iam::123456789012:instance-profile/x" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0" }
  }
  mock_resource "aws_service_discovery_service" {
    defaults = { arn = "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-1" }
  }
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/x/1", dns_name = "lb.example.com" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/x/1" }
  }
  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/x/1/1" }
  }
}

variables {
  caller_ip = "203.0.113.7"
}

# As a user's first plan: one variable, and nothing is there yet.
run "planned" {
  command = plan
}

run "applied" {
  variables {
    cpu_architecture = "ARM64"
    mesh_image       = "123456789012.dkr.ecr.us-east-1.amazonaws.com/meshtask-mesh:1.0"
  }
  assert {
    condition     = output.client_url == "http://lb.example.com/" && output.consul_ui_url == "http://lb.example.com/ui/"
    error_message = "The outputs are not the URLs."
  }
  assert {
    condition     = aws_launch_template.instance.instance_type == "t4g.large" && strcontains(base64decode(aws_launch_template.instance.user_data), "ECS_CLUSTER=meshtask-ec2 ")
    error_message = "The instances are of another architecture or cluster than the tasks."
  }
}

run "not_an_address" {
  command = plan
  variables {
    caller_ip = "203.0.113.0/24"
  }
  expect_failures = [var.caller_ip]
}
