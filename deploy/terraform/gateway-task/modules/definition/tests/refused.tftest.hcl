# What cannot be meant is refused: each run has one mistake.

variables {
  family              = "edge"
  kind                = "api-gateway"
  mesh_image          = "mesh:1"
  consul_server_hosts = "10.0.3.7"
}

run "unknown_kind" {
  command = plan
  variables {
    kind = "ingress-gateway"
  }
  expect_failures = [var.kind]
}

run "bad_name" {
  command = plan
  variables {
    consul_service_name = "Edge"
  }
  expect_failures = [var.consul_service_name]
}

run "stop_timeout" {
  command = plan
  variables {
    stop_timeout = 121
  }
  expect_failures = [var.stop_timeout]
}

run "delay" {
  command = plan
  variables {
    deregistration_delay = 106
  }
  expect_failures = [var.deregistration_delay]
}

run "start_period" {
  command = plan
  variables {
    health_check_start_period = 301
  }
  expect_failures = [var.health_check_start_period]
}

run "an_app_beside_it" {
  command = plan
  variables {
    meshtask_config = { service = { port = 80 } }
  }
  expect_failures = [var.meshtask_config]
}

run "volume_without_a_place" {
  command = plan
  variables {
    volumes = [{ name = "certs" }]
  }
  expect_failures = [var.volumes]
}

run "same_listener_twice" {
  command = plan
  variables {
    listener_ports = [80, 80]
  }
  expect_failures = [var.listener_ports]
}

run "http_config" {
  command = plan
  variables {
    http_config = { scheme = "https" }
  }
  expect_failures = [var.http_config]
}

run "grpc_config" {
  command = plan
  variables {
    grpc_config = { https = true }
  }
  expect_failures = [var.grpc_config]
}

run "ecs_config" {
  command = plan
  variables {
    consul_ecs_config = { service = {} }
  }
  expect_failures = [var.consul_ecs_config]
}

run "login_config" {
  command = plan
  variables {
    consul_ecs_config = { consulLogin = { token = "x" } }
  }
  expect_failures = [var.consul_ecs_config]
}

run "lan_of_an_api_gateway" {
  command = plan
  variables {
    lan_port = 9443
  }
  expect_failures = [output.container_definitions]
}

run "wan_of_a_terminating_gateway" {
  command = plan
  variables {
    kind        = "terminating-gateway"
    wan_address = "203.0.113.7"
  }
  expect_failures = [output.container_definitions]
}

run "wan_port_without_address" {
  command = plan
  variables {
    kind     = "mesh-gateway"
    wan_port = 443
  }
  expect_failures = [output.container_definitions]
}

run "lan_port_out_of_range" {
  command = plan
  variables {
    kind     = "mesh-gateway"
    lan_port = 70000
  }
  expect_failures = [output.container_definitions]
}

run "listeners_of_a_mesh_gateway" {
  command = plan
  variables {
    kind           = "mesh-gateway"
    listener_ports = [443]
  }
  expect_failures = [output.container_definitions]
}

run "federation_of_an_api_gateway" {
  command = plan
  variables {
    enable_mesh_gateway_wan_federation = true
    tls                                = true
    consul_ca_cert_arn                 = "arn:ca"
  }
  expect_failures = [output.container_definitions]
}

run "federation_without_tls" {
  command = plan
  variables {
    kind                               = "mesh-gateway"
    enable_mesh_gateway_wan_federation = true
  }
  expect_failures = [output.container_definitions]
}

run "balancer_of_a_terminating_gateway" {
  command = plan
  variables {
    kind       = "terminating-gateway"
    lb_enabled = true
  }
  expect_failures = [output.container_definitions]
}

run "balancer_with_a_long_name" {
  command = plan
  variables {
    lb_enabled          = true
    consul_service_name = "a-name-that-is-longer-than-a-balancers"
  }
  expect_failures = [output.container_definitions]
}

run "two_balancers" {
  command = plan
  variables {
    lb_enabled                  = true
    custom_load_balancer_config = [{ target_group_arn = "arn:a", container_port = 8443 }]
  }
  expect_failures = [output.container_definitions]
}

run "balancer_to_another_port" {
  command = plan
  variables {
    custom_load_balancer_config = [{ target_group_arn = "arn:a", container_port = 80 }]
  }
  expect_failures = [output.container_definitions]
}

run "balancer_to_nobody" {
  command = plan
  variables {
    custom_load_balancer_config = [{ target_group_arn = "arn:a", container_name = "envoy", container_port = 8443 }]
  }
  expect_failures = [output.container_definitions]
}

run "no_time_after_the_drain" {
  command = plan
  variables {
    deregistration_delay = 16
  }
  expect_failures = [output.container_definitions]
}

run "agent_and_none" {
  command = plan
  variables {
    retry_join = ["10.0.3.7"]
  }
  expect_failures = [output.container_definitions]
}

run "no_servers" {
  command = plan
  variables {
    consul_server_hosts = ""
  }
  expect_failures = [output.container_definitions]
}

run "servers_with_a_port" {
  command = plan
  variables {
    consul_server_hosts = "consul.shop.internal:8501"
  }
  expect_failures = [output.container_definitions]
}

run "servers_with_a_scheme" {
  command = plan
  variables {
    consul_server_hosts = "https://consul.shop.internal"
  }
  expect_failures = [output.container_definitions]
}

run "agentless_words_with_an_agent" {
  command = plan
  variables {
    consul_server_hosts = ""
    retry_join          = ["10.0.3.7"]
    skip_server_watch   = true
  }
  expect_failures = [output.container_definitions]
}

run "agents_words_without_one" {
  command = plan
  variables {
    gossip_key_secret_arn = "arn:key"
  }
  expect_failures = [output.container_definitions]
}

run "ca_without_tls" {
  command = plan
  variables {
    consul_grpc_ca_cert_arn = "arn:ca"
  }
  expect_failures = [output.container_definitions]
}

run "tls_without_ca" {
  command = plan
  variables {
    tls                      = true
    consul_https_ca_cert_arn = "arn:ca"
  }
  expect_failures = [output.container_definitions]
}

run "agent_tls_without_ca" {
  command = plan
  variables {
    consul_server_hosts = ""
    retry_join          = ["10.0.3.7"]
    tls                 = true
  }
  expect_failures = [output.container_definitions]
}

run "prefix_without_acls" {
  command = plan
  variables {
    acl_secret_name_prefix = "shop"
  }
  expect_failures = [output.container_definitions]
}

run "no_token" {
  command = plan
  variables {
    acls                   = true
    acl_secret_name_prefix = "shop"
  }
  expect_failures = [output.container_definitions]
}

run "token_without_acls" {
  command = plan
  variables {
    service_token_secret_arn = "arn:token"
  }
  expect_failures = [output.container_definitions]
}

run "agent_without_token" {
  command = plan
  variables {
    consul_server_hosts      = ""
    retry_join               = ["10.0.3.7"]
    acls                     = true
    acl_secret_name_prefix   = "shop"
    service_token_secret_arn = "arn:token"
  }
  expect_failures = [output.container_definitions]
}

run "agent_without_login_server" {
  command = plan
  variables {
    consul_server_hosts = ""
    retry_join          = ["10.0.3.7"]
    acls                = true
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

run "https_ca_without_login" {
  command = plan
  variables {
    consul_server_hosts      = ""
    retry_join               = ["10.0.3.7"]
    consul_https_ca_cert_arn = "arn:ca"
  }
  expect_failures = [output.container_definitions]
}

run "said_twice" {
  command = plan
  variables {
    meshtask_config = { gateway = { name = "x" } }
  }
  expect_failures = [output.container_definitions]
}

run "container_name_taken" {
  command = plan
  variables {
    extra_container_definitions = [{ name = "edge", image = "x" }]
  }
  expect_failures = [output.container_definitions]
}

run "volume_name_taken" {
  command = plan
  variables {
    readonly_root_filesystem = true
    volumes                  = [{ name = "meshtask_state", host_path = "/x" }]
  }
  expect_failures = [output.container_definitions]
}
