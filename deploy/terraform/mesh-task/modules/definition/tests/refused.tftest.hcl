# What cannot be meant is refused: each run has one mistake. TestRefusals in
# deploy/test/terraform holds the texts of some to what they must say.

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
  expect_failures = [output.container_definitions]
}

run "two_apps_single" {
  command = plan
  variables {
    layout                = "single"
    container_definitions = [{ name = "a", image = "a", command = ["/a"] }, { name = "b", image = "b", command = ["/b"] }]
  }
  expect_failures = [output.container_definitions]
}

run "siblings_without_image" {
  command = plan
  variables {
    layout = "siblings"
  }
  expect_failures = [output.container_definitions]
}

run "single_with_mesh_image" {
  command = plan
  variables {
    mesh_image = "mesh:1"
  }
  expect_failures = [output.container_definitions]
}

run "name_taken" {
  command = plan
  variables {
    layout                = "siblings"
    mesh_image            = "mesh:1"
    container_definitions = [{ name = "meshtask", image = "a", command = ["/a"] }]
  }
  expect_failures = [output.container_definitions]
}

run "job_of_siblings" {
  command = plan
  variables {
    job        = true
    port       = 0
    layout     = "siblings"
    mesh_image = "mesh:1"
  }
  expect_failures = [output.container_definitions]
}

run "no_command" {
  command = plan
  variables {
    container_definitions = [{ name = "a", image = "a" }]
  }
  expect_failures = [output.container_definitions]
}

run "own_stop_timeout" {
  command = plan
  variables {
    container_definitions = [{ name = "a", image = "a", command = ["/a"], stopTimeout = 20 }]
  }
  expect_failures = [output.container_definitions]
}

run "depends_on" {
  command = plan
  variables {
    container_definitions = [{ name = "a", image = "a", command = ["/a"], dependsOn = [{ containerName = "b", condition = "START" }] }]
  }
  expect_failures = [output.container_definitions]
}

run "said_twice" {
  command = plan
  variables {
    meshtask_config = { shutdown = { stopTimeout = "40s" } }
  }
  expect_failures = [output.container_definitions]
}

run "neither_port_nor_outbound_only" {
  command = plan
  variables {
    port = 0
  }
  expect_failures = [output.container_definitions]
}

run "port_and_outbound_only" {
  command = plan
  variables {
    outbound_only = true
  }
  expect_failures = [output.container_definitions]
}

run "partition_without_namespace" {
  command = plan
  variables {
    consul_partition = "p"
  }
  expect_failures = [output.container_definitions]
}

run "tls_without_ca" {
  command = plan
  variables {
    tls = true
  }
  expect_failures = [output.container_definitions]
}

run "ca_without_tls" {
  command = plan
  variables {
    consul_server_ca_cert_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ca-AbCdEf"
  }
  expect_failures = [output.container_definitions]
}

run "acls_without_client_token" {
  command = plan
  variables {
    acls                   = true
    acl_secret_name_prefix = "mesh"
  }
  expect_failures = [output.container_definitions]
}

run "client_token_without_acls" {
  command = plan
  variables {
    consul_client_token_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:t-AbCdEf"
  }
  expect_failures = [output.container_definitions]
}

run "prefix_without_acls" {
  command = plan
  variables {
    acl_secret_name_prefix = "mesh"
  }
  expect_failures = [output.container_definitions]
}

run "login_without_server" {
  command = plan
  variables {
    acls = true
  }
  expect_failures = [output.container_definitions]
}

run "server_without_login" {
  command = plan
  variables {
    consul_http_addr = "https://consul:8501"
  }
  expect_failures = [output.container_definitions]
}

run "method_without_login" {
  command = plan
  variables {
    service_token_auth_method_name = "mine"
  }
  expect_failures = [output.container_definitions]
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
  expect_failures = [output.container_definitions]
}

run "bad_consul_agent_configuration" {
  command = plan
  variables {
    consul_agent_configuration = "log_json = true"
  }
  expect_failures = [var.consul_agent_configuration]
}

run "login_with_client_token" {
  command = plan
  variables {
    acls                           = true
    consul_http_addr               = "https://consul:8501"
    consul_client_token_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:t-AbCdEf"
  }
  expect_failures = [output.container_definitions]
}

run "said_twice_within" {
  command = plan
  variables {
    application_shutdown_delay_seconds = 5
    meshtask_config                    = { shutdown = { drain = { min = "1s" } } }
  }
  expect_failures = [output.container_definitions]
}

run "said_twice_whole" {
  command = plan
  variables {
    meshtask_config = { service = null }
  }
  expect_failures = [output.container_definitions]
}

run "health_said_twice" {
  command = plan
  variables {
    container_definitions = [{ name = "web", image = "shop/web:7", command = ["/web"], healthCheck = { command = ["CMD", "/web", "check"] } }]
    meshtask_config       = { health = { app = { http = "http://127.0.0.1:8080/health" } } }
  }
  expect_failures = [output.container_definitions]
}

run "inject_single" {
  command = plan
  variables {
    inject = true
    layout = "single"
  }
  expect_failures = [output.container_definitions]
}

run "inject_without_image" {
  command = plan
  variables {
    inject = true
  }
  expect_failures = [output.container_definitions]
}

run "inject_job" {
  command = plan
  variables {
    inject     = true
    mesh_image = "mesh:1"
    job        = true
    port       = 0
  }
  expect_failures = [output.container_definitions]
}

run "inject_no_command" {
  command = plan
  variables {
    inject                = true
    mesh_image            = "mesh:1"
    container_definitions = [{ name = "a", image = "a" }]
  }
  expect_failures = [output.container_definitions]
}

run "inject_image_without_command" {
  command = plan
  variables {
    inject                = true
    mesh_image            = "mesh:1"
    container_definitions = [{ name = "a", image = "a" }]
    image_configs         = { a = { Config = { Entrypoint = null, Cmd = [] } } }
  }
  expect_failures = [output.container_definitions]
}

run "inject_flags_only" {
  command = plan
  variables {
    inject                = true
    mesh_image            = "mesh:1"
    container_definitions = [{ name = "a", image = "a", command = ["--listen", "1"] }]
  }
  expect_failures = [output.container_definitions]
}

run "inject_place_taken" {
  command = plan
  variables {
    inject                = true
    mesh_image            = "mesh:1"
    container_definitions = [{ name = "a", image = "a", command = ["/a"], mountPoints = [{ sourceVolume = "x", containerPath = "/mesh/" }] }]
  }
  expect_failures = [output.container_definitions]
}

run "inject_bad_binary" {
  command = plan
  variables {
    inject          = true
    mesh_image      = "mesh:1"
    meshtask_binary = "/meshtask"
  }
  expect_failures = [output.container_definitions]
}

run "inject_relative_binary" {
  command = plan
  variables {
    inject          = true
    mesh_image      = "mesh:1"
    meshtask_binary = "meshtask"
  }
  expect_failures = [output.container_definitions]
}

run "inject_name_taken" {
  command = plan
  variables {
    inject                = true
    mesh_image            = "mesh:1"
    container_definitions = [{ name = "a", image = "a", command = ["/a"] }, { name = "meshtask-install", image = "a", essential = false }]
  }
  expect_failures = [output.container_definitions]
}

run "unstoppable_image" {
  command = plan
  variables {
    image_configs = { web = { Config = { StopSignal = "SIGKILL" } } }
  }
  expect_failures = [output.container_definitions]
}

run "config_of_no_app" {
  command = plan
  variables {
    image_configs = { api = { Config = {} } }
  }
  expect_failures = [output.container_definitions]
}

run "only_sidecars" {
  command = plan
  variables {
    container_definitions = [{ name = "dd", image = "datadog/agent", command = ["/a"] }]
  }
  expect_failures = [output.container_definitions]
}

run "mesh_container_single" {
  command = plan
  variables {
    mesh_container = { user = "1" }
  }
  expect_failures = [output.container_definitions]
}

run "service_token_without_acls" {
  command = plan
  variables {
    service_token_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:t-AbCdEf"
  }
  expect_failures = [output.container_definitions]
}

run "acls_without_service_token" {
  command = plan
  variables {
    acls                           = true
    acl_secret_name_prefix         = "mesh"
    consul_client_token_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:t-AbCdEf"
  }
  expect_failures = [output.container_definitions]
}

run "bad_image_configs" {
  command = plan
  variables {
    image_configs = { web = { Entrypoint = ["/a"] } }
  }
  expect_failures = [var.image_configs]
}

run "bad_mesh_container" {
  command = plan
  variables {
    layout         = "siblings"
    mesh_image     = "mesh:1"
    mesh_container = { readOnlyRootFilesystem = true }
  }
  expect_failures = [var.mesh_container]
}

run "health_said_twice_of_siblings" {
  command = plan
  variables {
    inject                = true
    mesh_image            = "mesh:1"
    container_definitions = [{ name = "web", image = "shop/web:7", command = ["/web"], healthCheck = { command = ["CMD", "/web", "check"] } }]
    meshtask_config       = { health = { app = { http = "http://127.0.0.1:8080/health" } } }
  }
  expect_failures = [output.container_definitions]
}

run "too_many_containers" {
  command = plan
  variables {
    inject                = true
    mesh_image            = "mesh:1"
    container_definitions = [for i in range(9) : { name = "a${i}", image = "a", command = ["/a"] }]
  }
  expect_failures = [output.container_definitions]
}

run "bad_public_listener_port" {
  command = plan
  variables {
    envoy_public_listener_port = 0
  }
  expect_failures = [var.envoy_public_listener_port]
}

run "bad_start_period" {
  command = plan
  variables {
    health_check_start_period = 301
  }
  expect_failures = [var.health_check_start_period]
}

run "agent_and_servers" {
  command = plan
  variables {
    consul_server_hosts = "10.0.3.7"
  }
  expect_failures = [output.container_definitions]
}

run "agentless_with_checks" {
  command = plan
  variables {
    retry_join          = []
    consul_server_hosts = "10.0.3.7"
    checks              = [{ name = "c", tcp = "127.0.0.1:8080", interval = "5s" }]
  }
  expect_failures = [output.container_definitions]
}

run "agentless_with_gossip" {
  command = plan
  variables {
    retry_join            = []
    consul_server_hosts   = "10.0.3.7"
    gossip_key_secret_arn = "arn:key"
  }
  expect_failures = [output.container_definitions]
}

run "agentless_tls_without_ca" {
  command = plan
  variables {
    retry_join          = []
    consul_server_hosts = "10.0.3.7"
    tls                 = true
  }
  expect_failures = [output.container_definitions]
}

run "agentless_ca_without_tls" {
  command = plan
  variables {
    retry_join          = []
    consul_server_hosts = "10.0.3.7"
    consul_ca_cert_arn  = "arn:ca"
  }
  expect_failures = [output.container_definitions]
}

run "servers_name_with_an_agent" {
  command = plan
  variables {
    tls_server_name = "server.dc1.consul"
  }
  expect_failures = [output.container_definitions]
}

run "login_words_without_login" {
  command = plan
  variables {
    retry_join          = []
    consul_server_hosts = "10.0.3.7"
    consul_ecs_config   = { consulLogin = { region = "us-east-1" } }
  }
  expect_failures = [output.container_definitions]
}

run "transparent_proxy" {
  command = plan
  variables {
    enable_transparent_proxy = true
  }
  expect_failures = [output.container_definitions]
}

run "bad_http_config" {
  command = plan
  variables {
    http_config = { host = "x" }
    grpc_config = { https = true }
  }
  expect_failures = [var.http_config, var.grpc_config]
}
