# The example as it would be applied, without AWS: what AWS would answer is given
# here. deploy/test compares the result with deploy/*.json and deploy/iam.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account                  = "123456789012"
  vpc_id                   = "vpc-0123456789abcdef0"
  subnets                  = ["subnet-0123456789abcdef0"]
  public_subnets           = ["subnet-0fedcba9876543210"]
  certificate_arn          = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  consul_security_group_id = "sg-0fedcba9876543210"
  bootstrap_token_arn      = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-bootstrap-token-YzAbCd"
  ca_cert_arn              = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-ca-cert-AbCdEf"
  gossip_key_arn           = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-gossip-key-GhIjKl"
}

override_resource {
  target = aws_ecs_cluster.shop
  values = { arn = "arn:aws:ecs:us-east-1:123456789012:cluster/shop" }
}

override_resource {
  target = aws_iam_role.schedule
  values = { arn = "arn:aws:iam::123456789012:role/migrate-schedule" }
}

override_resource {
  target = module.acl_controller.aws_secretsmanager_secret.client_token
  values = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-consul-client-token-StUvWx" }
}

override_resource {
  target = module.acl_controller.aws_iam_role.task
  values = { arn = "arn:aws:iam::123456789012:role/shop-consul-acl-controller-task" }
}

override_resource {
  target = module.acl_controller.aws_iam_role.execution
  values = { arn = "arn:aws:iam::123456789012:role/shop-consul-acl-controller-execution" }
}

override_resource {
  target = module.web.aws_secretsmanager_secret.service_token
  values = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-web-MnOpQr" }
}

override_resource {
  target = module.web.aws_iam_role.task
  values = { arn = "arn:aws:iam::123456789012:role/web-task" }
}

override_resource {
  target = module.web.aws_iam_role.execution
  values = { arn = "arn:aws:iam::123456789012:role/web-execution" }
}

override_resource {
  target = module.shop.aws_secretsmanager_secret.service_token
  values = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-shop-MnOpQr" }
}

override_resource {
  target = module.shop.aws_iam_role.task
  values = { arn = "arn:aws:iam::123456789012:role/shop-task" }
}

override_resource {
  target = module.shop.aws_iam_role.execution
  values = { arn = "arn:aws:iam::123456789012:role/shop-execution" }
}

override_resource {
  target = module.api.aws_secretsmanager_secret.service_token
  values = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-api-MnOpQr" }
}

override_resource {
  target = module.api.aws_iam_role.task
  values = { arn = "arn:aws:iam::123456789012:role/api-task" }
}

override_resource {
  target = module.api.aws_iam_role.execution
  values = { arn = "arn:aws:iam::123456789012:role/api-execution" }
}

override_resource {
  target = module.edge.aws_secretsmanager_secret.service_token
  values = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-edge-MnOpQr" }
}

override_resource {
  target = module.edge.aws_iam_role.task
  values = { arn = "arn:aws:iam::123456789012:role/edge-task" }
}

override_resource {
  target = module.edge.aws_iam_role.execution
  values = { arn = "arn:aws:iam::123456789012:role/edge-execution" }
}

override_resource {
  target = aws_lb.edge
  values = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/edge/1" }
}

override_resource {
  target = aws_lb_target_group.edge
  values = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/edge/1" }
}

override_resource {
  target = module.migrate.aws_secretsmanager_secret.service_token
  values = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-migrate-MnOpQr" }
}

override_resource {
  target = module.migrate.aws_iam_role.task
  values = { arn = "arn:aws:iam::123456789012:role/migrate-task" }
}

override_resource {
  target = module.migrate.aws_iam_role.execution
  values = { arn = "arn:aws:iam::123456789012:role/migrate-execution" }
}

override_resource {
  target = module.migrate.aws_ecs_task_definition.this
  values = { arn = "arn:aws:ecs:us-east-1:123456789012:task-definition/migrate:1" }
}

# Most ARNs are unknown while planning: no count may depend on one.
run "planned" {
  command = plan
  assert {
    condition     = length(output.deployment_alarms) == 3
    error_message = "Each service has its deployment alarms."
  }
}

# Without metrics the definitions are those of deploy/*.json.
run "applied" {
  variables {
    metrics_namespace = ""
  }
  assert {
    condition     = aws_scheduler_schedule.migrate.target[0].ecs_parameters[0].propagate_tags == "TASK_DEFINITION"
    error_message = "A scheduled task without its tags gets no token."
  }

  assert {
    condition     = "${aws_lb_target_group.edge.deregistration_delay}s" == jsondecode(module.edge.config_json).shutdown.drain.min
    error_message = "The gateway does not wait as long as the balancer sends."
  }

  assert {
    condition = toset([for r in concat(values(aws_vpc_security_group_ingress_rule.within), values(aws_vpc_security_group_ingress_rule.from_servers), values(aws_vpc_security_group_ingress_rule.to_servers)) : "${r.ip_protocol} ${r.from_port}"]) == toset([
      "tcp 20000", "tcp 8443", "tcp 8300", "tcp 8301", "udp 8301", "tcp 8501", "tcp 8502", "tcp 8503",
    ])
    error_message = "The ports are not those of deploy/README.md."
  }
}
