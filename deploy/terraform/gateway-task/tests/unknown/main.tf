# A mesh gateway whose CA, image and balancer are made here.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

resource "aws_secretsmanager_secret" "ca" {
  name = "ca-cert"
}

resource "aws_ecr_repository" "mesh" {
  name = "mesh"
}

resource "aws_vpc" "shop" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "shop" {
  vpc_id     = aws_vpc.shop.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_lb_target_group" "edge" {
  name = "edge"
}

module "mesh_gateway" {
  source                 = "../.."
  family                 = "mgw"
  kind                   = "mesh-gateway"
  mesh_image             = "${aws_ecr_repository.mesh.repository_url}:1"
  ecs_cluster_arn        = "arn:aws:ecs:us-east-1:123456789012:cluster/shop"
  subnets                = [aws_subnet.shop.id]
  consul_server_hosts    = "10.0.3.7"
  tls                    = true
  consul_ca_cert_arn     = aws_secretsmanager_secret.ca.arn
  acls                   = true
  acl_secret_name_prefix = "shop"
  lb_enabled             = true
  lb_subnets             = [aws_subnet.shop.id]
  lb_vpc_id              = aws_vpc.shop.id
}

module "api_gateway" {
  source                      = "../.."
  family                      = "edge"
  kind                        = "api-gateway"
  mesh_image                  = "${aws_ecr_repository.mesh.repository_url}:1"
  ecs_cluster_arn             = "arn:aws:ecs:us-east-1:123456789012:cluster/shop"
  subnets                     = [aws_subnet.shop.id]
  retry_join                  = ["10.0.3.7"]
  gossip_key_secret_arn       = aws_secretsmanager_secret.ca.arn
  custom_load_balancer_config = [{ target_group_arn = aws_lb_target_group.edge.arn, container_port = 8443 }]
}
