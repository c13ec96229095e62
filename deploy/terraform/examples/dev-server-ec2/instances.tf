# Three instances. Each task has a network interface of its own, and these have room for
# two beside their own: server, controller and the two services fit, and one new task of each
# service during a deployment.

locals {
  instance = { X86_64 = { type = "t3.large", image = "" }, ARM64 = { type = "t4g.large", image = "arm64/" } }[var.cpu_architecture]
}

data "aws_ssm_parameter" "ami" {
  name = "/aws/service/ecs/optimized-ami/amazon-linux-2023/${local.instance.image}recommended/image_id"
}

data "aws_partition" "current" {}

resource "aws_iam_role" "instance" {
  name = "${var.name}-instance"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "instance" {
  role       = aws_iam_role.instance.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "instance" {
  name = "${var.name}-instance"
  role = aws_iam_role.instance.name
}

# Tasks have groups of their own; the instance only calls outward.
resource "aws_security_group" "instance" {
  name        = "${var.name}-instance"
  description = "ECS container instances"
  vpc_id      = module.mesh.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "instance" {
  security_group_id = aws_security_group.instance.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_launch_template" "instance" {
  name                   = "${var.name}-instance"
  image_id               = data.aws_ssm_parameter.ami.insecure_value
  instance_type          = local.instance.type
  vpc_security_group_ids = [aws_security_group.instance.id]
  user_data              = base64encode("#!/bin/sh\necho ECS_CLUSTER=${module.mesh.cluster_name} >>/etc/ecs/ecs.config\n")

  iam_instance_profile {
    arn = aws_iam_instance_profile.instance.arn
  }

  # Version 2 alone; and not from within containers.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
}

resource "aws_autoscaling_group" "instances" {
  name                = "${var.name}-instances"
  min_size            = 3
  max_size            = 3
  vpc_zone_identifier = module.mesh.private_subnets

  launch_template {
    id      = aws_launch_template.instance.id
    version = aws_launch_template.instance.latest_version
  }

  tag {
    key                 = "Name"
    value               = "${var.name}-instance"
    propagate_at_launch = true
  }
}
