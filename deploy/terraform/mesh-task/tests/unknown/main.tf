# A task with a gossip key alone, and one with everything, whose secrets are made here.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

resource "aws_secretsmanager_secret" "made" {
  for_each = toset(["gossip-key", "ca-cert", "client-token", "licence"])
  name     = each.key
}

resource "aws_ecr_repository" "app" {
  name = "app"
}

module "gossip_key_alone" {
  source                = "../.."
  family                = "web"
  port                  = 8080
  retry_join            = ["10.0.3.7"]
  gossip_key_secret_arn = aws_secretsmanager_secret.made["gossip-key"].arn
  container_definitions = [{ name = "web", image = "shop/web:7", command = ["/web"] }]
}

module "everything" {
  source                         = "../.."
  family                         = "shop"
  port                           = 8080
  retry_join                     = ["10.0.3.7"]
  inject                         = true
  mesh_image                     = "${aws_ecr_repository.app.repository_url}-mesh:1"
  mesh_container                 = { secrets = [{ name = "LICENSE", valueFrom = aws_secretsmanager_secret.made["licence"].arn }] }
  tls                            = true
  consul_server_ca_cert_arn      = aws_secretsmanager_secret.made["ca-cert"].arn
  gossip_key_secret_arn          = aws_secretsmanager_secret.made["gossip-key"].arn
  acls                           = true
  acl_secret_name_prefix         = "mesh"
  consul_client_token_secret_arn = aws_secretsmanager_secret.made["client-token"].arn
  container_definitions = [
    { name = "shop", image = "${aws_ecr_repository.app.repository_url}:1", command = ["/shop"], environment = [{ name = "KEY", value = aws_secretsmanager_secret.made["licence"].arn }] },
    { name = "router", image = "amazon/aws-for-fluent-bit:stable", firelensConfiguration = { type = "fluentbit" } },
  ]
}
