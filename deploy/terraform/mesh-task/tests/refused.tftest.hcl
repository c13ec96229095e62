# What cannot be meant of roles, secrets and the task is refused: each run has one
# mistake. The definition's own are in modules/definition/tests.

mock_provider "aws" {}

variables {
  family                = "web"
  port                  = 8080
  retry_join            = ["10.0.3.7"]
  container_definitions = [{ name = "web", image = "shop/web:7", command = ["/web"] }]
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

run "bad_iam_role_path" {
  command = plan
  variables {
    iam_role_path = "mesh"
  }
  expect_failures = [var.iam_role_path]
}

run "bad_runtime_platform" {
  command = plan
  variables {
    runtime_platform = { cpu_architecture = "ARM", operating_system_family = "LINUX" }
  }
  expect_failures = [var.runtime_platform]
}

run "volume_taken" {
  command = plan
  variables {
    inject     = true
    mesh_image = "mesh:1"
    volumes    = [{ name = "meshtask_bin" }]
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
