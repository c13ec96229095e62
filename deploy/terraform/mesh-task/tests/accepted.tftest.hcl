# What the example does not show: each run is a way of using the module.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mesh-shop-n-p-GhIjKl" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/consul-ecs/web-task" }
  }
}

variables {
  family                = "Web"
  port                  = 8080
  retry_join            = ["10.0.3.7"]
  container_definitions = [{ name = "web", image = "shop/web:7", command = ["/web"] }]
}

run "no_secrets" {
  assert {
    condition     = [for s in jsondecode(aws_iam_role_policy.task[0].policy).Statement : s.Effect] == ["Deny"]
    error_message = "A task without secrets is allowed nothing."
  }
  assert {
    condition     = jsondecode(module.definition.config_json).service.name == "web" && aws_ecs_task_definition.this.tags["consul.hashicorp.com/service-name"] == "web"
    error_message = "The service is the family in lower case, in the tag as well."
  }
  assert {
    condition     = [for s in jsondecode(output.execution_role_policy).Statement : s.Sid] == ["LogInToTheRegistry"]
    error_message = "Without logs and ECR images nothing else is allowed."
  }
}

run "without_an_agent" {
  variables {
    retry_join          = []
    consul_server_hosts = "consul.shop.internal"
    acls                = true
    tls                 = true
    consul_ca_cert_arn  = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mesh-ca-AbCdEf"
  }
  assert {
    condition = { for s in jsondecode(output.execution_role_policy).Statement : s.Sid => s.Resource } == {
      LogInToTheRegistry            = ["*"]
      GiveTheContainersTheirSecrets = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:mesh-ca-AbCdEf"]
    }
    error_message = "ECS gives the container the servers' CA, by the execution role."
  }
  assert {
    condition     = [for s in jsondecode(aws_iam_role_policy.task[0].policy).Statement : s.Sid] == ["ShowItself"]
    error_message = "The task shows its role, and reads nothing."
  }
}

run "login" {
  variables {
    acls                         = true
    tls                          = true
    consul_server_ca_cert_arn    = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mesh-ca-AbCdEf"
    consul_http_addr             = "https://consul:8501"
    consul_https_ca_cert_arn     = "arn:aws:ssm:us-east-1:123456789012:parameter/mesh/ca"
    consul_primary_datacenter    = "dc0"
    enable_acl_token_replication = true
    consul_agent_configuration   = jsonencode({ acl = { token_ttl = "5s" } })
    meshtask_config              = { acl = { wait = "60s", login = { region = "eu-west-3" } } }
  }
  assert {
    condition = jsondecode(module.definition.config_json).acl == {
      wait  = "60s"
      login = { method = "iam-ecs-service-token", agentMethod = "iam-ecs-client-token", server = "https://consul:8501", caCert = "arn:aws:ssm:us-east-1:123456789012:parameter/mesh/ca", region = "eu-west-3" }
    }
    error_message = "The login is not what the variables say."
  }
  assert {
    condition     = jsondecode(module.definition.config_json).consulAgent.extraConfig == { primary_datacenter = "dc0", acl = { token_ttl = "5s", enable_token_replication = true } }
    error_message = "The agent's own configuration is not what the variables say."
  }
  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.task[0].policy).Statement : s.Action => s.Resource } == {
      "secretsmanager:GetSecretValue" = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:mesh-ca-AbCdEf"]
      "ssm:GetParameter"              = ["arn:aws:ssm:us-east-1:123456789012:parameter/mesh/ca"]
      "iam:GetRole"                   = ["arn:aws:iam::123456789012:role/consul-ecs/web-task"]
    }
    error_message = "The role must allow the secret, the parameter and its own GetRole, and nothing else."
  }
  assert {
    condition     = length(aws_secretsmanager_secret.service_token) == 0 && aws_iam_role.task[0].tags["consul.hashicorp.com.service-name"] == "web"
    error_message = "A login has no secret, and its role is tagged with the service."
  }
}

run "enterprise_and_settings" {
  variables {
    acls                               = true
    acl_secret_name_prefix             = "mesh"
    consul_client_token_secret_arn     = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mesh-consul-client-token-AbCdEf"
    consul_partition                   = "p"
    consul_namespace                   = "n"
    consul_service_name                = "shop"
    consul_service_tags                = ["v1"]
    consul_service_meta                = { team = "shop" }
    checks                             = [{ name = "http", checkId = "http", http = "http://127.0.0.1:8080/health", interval = "10s" }]
    consul_ecs_config                  = { service = { weights = { passing = 2, warning = 1 }, enableTagOverride = true }, proxy = { config = { protocol = "http" }, meshGateway = { mode = "local" }, expose = { checks = true } } }
    consul_agent_configuration         = jsonencode({ disable_remote_exec = true })
    application_shutdown_delay_seconds = 5
    stop_timeout                       = 60
    meshtask_config                    = { shutdown = { agentLeave = "first", drain = { max = "9s" } }, log = { format = "json" } }
    meshtask_binary                    = "/meshtask"
    create_task_role                   = false
    task_role                          = { id = "mine", arn = "arn:aws:iam::123456789012:role/mine" }
    create_execution_role              = false
    execution_role                     = { id = "ours", arn = "arn:aws:iam::123456789012:role/ours" }
    tags                               = { owner = "shop" }
  }
  assert {
    condition = jsondecode(module.definition.config_json).service == {
      name   = "shop", port = 8080, tags = ["v1"], meta = { team = "shop" }, namespace = "n", partition = "p", enableTagOverride = true, weights = { passing = 2, warning = 1 }
      checks = [{ name = "http", checkId = "http", http = "http://127.0.0.1:8080/health", interval = "10s" }]
    }
    error_message = "The service is not what the variables say."
  }
  assert {
    condition = { for k, v in jsondecode(module.definition.config_json) : k => v if contains(["proxy", "shutdown", "log"], k) } == {
      proxy    = { config = { protocol = "http" }, meshGateway = { mode = "local" }, expose = { checks = true } }
      shutdown = { stopTimeout = "60s", drain = { min = "5s", max = "9s" }, agentLeave = "first" }
      log      = { format = "json" }
    }
    error_message = "Proxy, shutdown or log are not what the variables say."
  }
  assert {
    condition     = jsondecode(module.definition.config_json).consulAgent == { retryJoin = ["10.0.3.7"], datacenter = "dc1", partition = "p", extraConfig = { disable_remote_exec = true } }
    error_message = "The agent is not what the variables say."
  }
  assert {
    condition     = aws_secretsmanager_secret.service_token[0].name == "mesh-shop-n-p"
    error_message = "The secret's name must be the ACL controller's."
  }
  assert {
    condition     = aws_ecs_task_definition.this.tags == tomap({ owner = "shop", "consul.hashicorp.com/mesh" = "true", "consul.hashicorp.com/service-name" = "shop", "consul.hashicorp.com/partition" = "p", "consul.hashicorp.com/namespace" = "n" })
    error_message = "The tags are not what the ACL controller looks for."
  }
  assert {
    condition     = aws_ecs_task_definition.this.task_role_arn == "arn:aws:iam::123456789012:role/mine" && length(aws_iam_role.task) + length(aws_iam_role.execution) + length(aws_iam_role_policy.task) + length(aws_iam_role_policy.execution) == 0
    error_message = "Given roles are used, and left alone."
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck.command == ["CMD", "/meshtask", "health"] && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout == 60
    error_message = "The container's check and stopTimeout are not what the variables say."
  }
}

run "read_only_root" {
  variables {
    container_definitions = [{
      name        = "web", image = "shop/web:7", command = ["/web"], user = "12345", readonlyRootFilesystem = true
      healthCheck = { command = ["NONE"] }
      mountPoints = [{ sourceVolume = "data", containerPath = "/data" }]
      environment = [{ name = "MODE", value = "live" }]
    }]
    volumes = [{ name = "data", efs_volume_configuration = { file_system_id = "fs-1", transit_encryption = "ENABLED", authorization_config = { iam = "ENABLED" } } }]
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].mountPoints == [{ sourceVolume = "data", containerPath = "/data" }, { sourceVolume = "meshtask_state", containerPath = "/run/meshtask" }]
    error_message = "A read-only root needs a volume at the state directory."
  }
  assert {
    condition     = tomap({ for v in aws_ecs_task_definition.this.volume : v.name => length(v.efs_volume_configuration) }) == tomap({ data = 1, meshtask_state = 0 })
    error_message = "The volumes are not the state's and the variable's."
  }
  assert {
    condition     = !can(jsondecode(module.definition.config_json).health) && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment[0] == { name = "MODE", value = "live" }
    error_message = "A check of NONE is none, and the app's environment stays."
  }
}

run "siblings_beside_others" {
  variables {
    mesh_image        = "mesh:1"
    app_containers    = ["web"]
    layout            = "siblings"
    log_configuration = { logDriver = "awsfirelens" }
    container_definitions = [
      { name = "web", image = "shop/web:7", command = ["/web"] },
      { name = "router", image = "fluent-bit", essential = false, logConfiguration = { logDriver = "awslogs", options = { "awslogs-group" = "/r", "awslogs-region" = "eu-west-1" } } },
    ]
  }
  assert {
    condition     = [for c in jsondecode(aws_ecs_task_definition.this.container_definitions) : c.name] == ["web", "router", "meshtask"]
    error_message = "The containers are not the apps, the others and the mesh container."
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[1] == { name = "router", image = "fluent-bit", essential = false, logConfiguration = { logDriver = "awslogs", options = { "awslogs-group" = "/r", "awslogs-region" = "eu-west-1" } } }
    error_message = "A container that is no app's was changed."
  }
  assert {
    condition     = !can(jsondecode(module.definition.config_json).healthSyncContainers) && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].logConfiguration.logDriver == "awsfirelens"
    error_message = "Only apps with a health check are synced; log_configuration is for those that have none."
  }
}

run "asked_by_meshtask" {
  variables {
    meshtask_config = { app = { ready = { tcp = "127.0.0.1:8080" } }, health = { app = { grpc = "127.0.0.1:8080/shop.Cart", interval = 10 } } }
  }
  assert {
    condition     = jsondecode(module.definition.config_json).health.app == { grpc = "127.0.0.1:8080/shop.Cart", interval = 10 } && jsondecode(module.definition.config_json).app.ready == { tcp = "127.0.0.1:8080" }
    error_message = "The questions that meshtask asks itself are not in the configuration."
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck.command == ["CMD", "meshtask", "health"]
    error_message = "The container's check is not meshtask health."
  }
}

# The definition and the secrets in one configuration: their ARNs are unknown while planning.
run "unknown_arns" {
  command = plan
  module {
    source = "./tests/unknown"
  }
}

run "second_task_of_a_service" {
  variables {
    acls                           = true
    acl_secret_name_prefix         = "mesh"
    consul_client_token_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mesh-consul-client-token-AbCdEf"
    create_service_secret          = false
    service_token_secret_arn       = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mesh-web-GhIjKl"
  }
  assert {
    condition     = length(aws_secretsmanager_secret.service_token) == 0 && jsondecode(module.definition.config_json).acl.serviceToken == "arn:aws:secretsmanager:us-east-1:123456789012:secret:mesh-web-GhIjKl:token" && output.service_token_secret_arn == "arn:aws:secretsmanager:us-east-1:123456789012:secret:mesh-web-GhIjKl"
    error_message = "The secret that another task has made is not used."
  }
}

run "injected_and_shaped" {
  variables {
    inject                 = true
    mesh_image             = "123456789012.dkr.ecr.us-east-1.amazonaws.com/meshtask-mesh:1.0"
    mesh_container         = { user = "12345", readonlyRootFilesystem = true, cpu = 128, secrets = [{ name = "LICENSE", valueFrom = "arn:aws:secretsmanager:us-east-1:123456789012:secret:licence-AbCdEf:key::" }] }
    enable_execute_command = true
    ephemeral_storage_gib  = 30
    placement_constraints  = ["attribute:ecs.os-type == linux"]
    runtime_platform       = { cpu_architecture = "ARM64", operating_system_family = "LINUX" }
  }
  assert {
    condition     = toset([for v in aws_ecs_task_definition.this.volume : v.name]) == toset(["meshtask_state", "meshtask_bin"])
    error_message = "The volumes of state and program are missing."
  }
  assert {
    condition     = { for s in jsondecode(output.execution_role_policy).Statement : s.Sid => s.Resource }["GiveTheContainersTheirSecrets"] == ["arn:aws:secretsmanager:us-east-1:123456789012:secret:licence-AbCdEf"]
    error_message = "ECS may not read the secret that the mesh container has."
  }
  assert {
    condition     = [for s in jsondecode(output.task_role_policy).Statement : s.Sid] == ["LetOperatorsIn"]
    error_message = "The task role does not allow ECS Exec."
  }
  assert {
    condition     = aws_ecs_task_definition.this.ephemeral_storage[0].size_in_gib == 30 && tolist(aws_ecs_task_definition.this.placement_constraints)[0].expression == "attribute:ecs.os-type == linux" && aws_ecs_task_definition.this.runtime_platform[0].cpu_architecture == "ARM64"
    error_message = "The task is not what the variables say."
  }
}
