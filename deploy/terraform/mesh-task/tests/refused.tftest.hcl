# What cannot be meant is refused: each run has one mistake.

mock_provider "aws" {}

variables {
  family                = "web"
  port                  = 8080
  retry_join            = ["10.0.3.7"]
  container_definitions = [{ name = "web", image = "shop/web:7", command = ["/web"] }]
}

run "unknown_app" {
  command = plan
  variables {
    app_containers = ["api"]
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "two_apps_single" {
  command = plan
  variables {
    layout                = "single"
    container_definitions = [{ name = "a", image = "a", command = ["/a"] }, { name = "b", image = "b", command = ["/b"] }]
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "siblings_without_image" {
  command = plan
  variables {
    layout = "siblings"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "single_with_mesh_image" {
  command = plan
  variables {
    mesh_image = "mesh:1"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "name_taken" {
  command = plan
  variables {
    layout                = "siblings"
    mesh_image            = "mesh:1"
    container_definitions = [{ name = "meshtask", image = "a", command = ["/a"] }]
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "job_of_siblings" {
  command = plan
  variables {
    job        = true
    port       = 0
    layout     = "siblings"
    mesh_image = "mesh:1"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "no_command" {
  command = plan
  variables {
    container_definitions = [{ name = "a", image = "a" }]
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "own_stop_timeout" {
  command = plan
  variables {
    container_definitions = [{ name = "a", image = "a", command = ["/a"], stopTimeout = 20 }]
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "depends_on" {
  command = plan
  variables {
    container_definitions = [{ name = "a", image = "a", command = ["/a"], dependsOn = [{ containerName = "b", condition = "START" }] }]
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "said_twice" {
  command = plan
  variables {
    meshtask_config = { shutdown = { stopTimeout = "40s" } }
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "neither_port_nor_outbound_only" {
  command = plan
  variables {
    port = 0
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "port_and_outbound_only" {
  command = plan
  variables {
    outbound_only = true
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "partition_without_namespace" {
  command = plan
  variables {
    consul_partition = "p"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "tls_without_ca" {
  command = plan
  variables {
    tls = true
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "ca_without_tls" {
  command = plan
  variables {
    consul_server_ca_cert_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ca-AbCdEf"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "acls_without_client_token" {
  command = plan
  variables {
    acls                   = true
    acl_secret_name_prefix = "mesh"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "client_token_without_acls" {
  command = plan
  variables {
    consul_client_token_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:t-AbCdEf"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "prefix_without_acls" {
  command = plan
  variables {
    acl_secret_name_prefix = "mesh"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "login_without_server" {
  command = plan
  variables {
    acls = true
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "server_without_login" {
  command = plan
  variables {
    consul_http_addr = "https://consul:8501"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "method_without_login" {
  command = plan
  variables {
    service_token_auth_method_name = "mine"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "two_task_roles" {
  command = plan
  variables {
    task_role = { id = "mine", arn = "arn:aws:iam::123456789012:role/mine" }
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "no_execution_role" {
  command = plan
  variables {
    create_execution_role = false
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "bad_layout" {
  command = plan
  variables {
    layout = "double"
  }
  expect_failures = [var.layout]
}

run "bad_stop_timeout" {
  command = plan
  variables {
    stop_timeout = 121
  }
  expect_failures = [var.stop_timeout]
}

run "bad_consul_service_name" {
  command = plan
  variables {
    consul_service_name = "Web"
  }
  expect_failures = [var.consul_service_name]
}

run "bad_upstreams" {
  command = plan
  variables {
    upstreams = [{ destinationName = "api" }]
  }
  expect_failures = [var.upstreams]
}

run "bad_consul_ecs_config" {
  command = plan
  variables {
    consul_ecs_config = { service = { name = "x" } }
  }
  expect_failures = [var.consul_ecs_config]
}

run "bad_retry_join" {
  command = plan
  variables {
    retry_join = []
  }
  expect_failures = [var.retry_join]
}

run "bad_consul_agent_configuration" {
  command = plan
  variables {
    consul_agent_configuration = "log_json = true"
  }
  expect_failures = [var.consul_agent_configuration]
}

run "bad_iam_role_path" {
  command = plan
  variables {
    iam_role_path = "mesh"
  }
  expect_failures = [var.iam_role_path]
}

run "login_with_client_token" {
  command = plan
  variables {
    acls                           = true
    consul_http_addr               = "https://consul:8501"
    consul_client_token_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:t-AbCdEf"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "said_twice_within" {
  command = plan
  variables {
    application_shutdown_delay_seconds = 5
    meshtask_config                    = { shutdown = { drain = { min = "1s" } } }
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "said_twice_whole" {
  command = plan
  variables {
    meshtask_config = { service = null }
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "health_said_twice" {
  command = plan
  variables {
    container_definitions = [{ name = "web", image = "shop/web:7", command = ["/web"], healthCheck = { command = ["CMD", "/web", "check"] } }]
    meshtask_config       = { health = { app = { http = "http://127.0.0.1:8080/health" } } }
  }
  expect_failures = [aws_ecs_task_definition.this]
}
