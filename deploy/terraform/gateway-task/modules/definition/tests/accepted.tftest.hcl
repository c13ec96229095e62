# The definitions of each kind; no provider is needed. Each run has one thing to show.

variables {
  family              = "Edge"
  kind                = "api-gateway"
  mesh_image          = "mesh:1"
  consul_server_hosts = "10.0.3.7"
}

run "api_gateway" {
  assert {
    condition = jsondecode(jsonencode([for c in output.container_definitions : { for k, v in c : k => v if k != "environment" }])) == [{
      name         = "Edge", image = "mesh:1", essential = true, entryPoint = ["meshtask", "run"], stopTimeout = 30
      healthCheck  = { command = ["CMD", "meshtask", "health"], interval = 5, timeout = 5, retries = 3, startPeriod = 120 }
      portMappings = [{ containerPort = 8443, protocol = "tcp" }]
    }]
    error_message = "The container is not meshtask with Envoy and no app."
  }
  assert {
    condition = jsondecode(output.config_json) == {
      gateway       = { kind = "api-gateway", name = "edge" }
      consulServers = { hosts = "10.0.3.7", defaults = { tls = false }, http = { port = 8500, https = false }, grpc = { port = 8502 } }
      shutdown      = { stopTimeout = "30s", drain = { min = "15s" } }
    }
    error_message = "The configuration is not what the variables say."
  }
  assert {
    condition     = output.tags == { "consul.hashicorp.com/mesh" = "true", "consul.hashicorp.com/service-name" = "edge", "consul.hashicorp.com/gateway-kind" = "api-gateway" } && output.role_tags == { "consul.hashicorp.com.service-name" = "edge", "consul.hashicorp.com.gateway-kind" = "api-gateway" }
    error_message = "The tags are not those by which the ACL controller and Consul's auth method know a gateway."
  }
  assert {
    condition     = output.health_check_grace_period_seconds == 270 && length(output.volumes) == 0
    error_message = "The grace must be longer than 120 s for a server and 120 s for tokens."
  }
}

run "ports_of_listeners" {
  variables {
    listener_ports              = [8080, 8443]
    custom_load_balancer_config = [{ target_group_arn = "arn:a", container_name = "consul-dataplane", container_port = 8080 }, { target_group_arn = "arn:b", container_port = 8443 }]
    deregistration_delay        = 40
    stop_timeout                = 60
  }
  assert {
    condition     = output.container_definitions[0].portMappings[*].containerPort == [8080, 8443] && output.load_balancers[*].container_name == ["Edge", "Edge"]
    error_message = "The balancer does not send to the gateway's container and ports."
  }
  assert {
    condition     = jsondecode(output.config_json).shutdown == { stopTimeout = "60s", drain = { min = "40s" } }
    error_message = "The drain does not wait for the balancer."
  }
}

run "terminating_gateway" {
  variables {
    kind                     = "terminating-gateway"
    tls                      = true
    tls_server_name          = "server.dc1.consul"
    consul_ca_cert_arn       = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ca-AbCdEf"
    consul_https_ca_cert_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:https-AbCdEf"
    acls                     = true
    consul_ecs_config        = { consulLogin = { meta = { team = "net" } }, transparentProxy = { enabled = false } }
    skip_server_watch        = true
    http_config              = { port = 443 }
    volumes                  = [{ name = "certs", host_path = "/certs", efs_volume_configuration = { file_system_id = "fs-1" } }]
    readonly_root_filesystem = true
  }
  assert {
    condition = jsondecode(output.config_json) == {
      gateway       = { kind = "terminating-gateway", name = "edge" }
      consulServers = { hosts = "10.0.3.7", skipServerWatch = true, defaults = { tls = true, tlsServerName = "server.dc1.consul" }, http = { port = 443, https = true }, grpc = { port = 8503 } }
      acl           = { login = { method = "iam-ecs-service-token", meta = { team = "net" } } }
      shutdown      = { stopTimeout = "30s" }
    }
    error_message = "The configuration is not what the variables say."
  }
  assert {
    condition     = { for s in output.container_definitions[0].secrets : s.name => split(":", s.valueFrom)[6] } == { CONSUL_GRPC_CACERT_PEM = "ca-AbCdEf", CONSUL_HTTPS_CACERT_PEM = "https-AbCdEf" }
    error_message = "The CAs are not the container's secrets."
  }
  assert {
    condition     = output.container_definitions[0].mountPoints == [{ sourceVolume = "certs", containerPath = "/certs", readOnly = true }, { sourceVolume = "meshtask_state", containerPath = "/run/meshtask" }] && output.volumes == ["meshtask_state"]
    error_message = "The container does not mount the certificates and its state."
  }
  assert {
    condition     = output.by_login
    error_message = "The gateway has to log in."
  }
}

run "mesh_gateway" {
  variables {
    kind                               = "mesh-gateway"
    consul_service_name                = "mgw"
    consul_service_tags                = ["wan"]
    consul_service_meta                = { team = "net" }
    consul_partition                   = "p"
    enable_mesh_gateway_wan_federation = true
    tls                                = true
    grpc_config                        = { caCertFile = "/ca.pem" }
    lan_address                        = "10.1.1.1"
    lan_port                           = 9443
    wan_address                        = "203.0.113.7"
    consul_ecs_config                  = { consulLogin = { enabled = true } }
    meshtask_config                    = { gateway = { proxy = { config = { envoy_gateway_no_default_bind = false } } }, consulServers = { node = "task" }, shutdown = { drain = { max = "9s" } } }
    extra_container_definitions        = [{ name = "router", image = "fluent-bit", firelensConfiguration = { type = "fluentbit" } }]
  }
  assert {
    condition = jsondecode(output.config_json) == {
      gateway = {
        kind       = "mesh-gateway", name = "mgw", tags = ["wan"], meta = { team = "net", consul-wan-federation = "1" }, namespace = "default", partition = "p"
        lanAddress = { address = "10.1.1.1", port = 9443 }, wanAddress = { address = "203.0.113.7", port = 9443 }
        proxy      = { config = { envoy_gateway_no_default_bind = false } }
      }
      consulServers = { hosts = "10.0.3.7", defaults = { tls = true }, http = { port = 8501, https = true }, grpc = { port = 8503, caCertFile = "/ca.pem" }, node = "task" }
      acl           = { login = { method = "iam-ecs-service-token" } }
      shutdown      = { stopTimeout = "30s", drain = { max = "9s" } }
    }
    error_message = "The configuration is not what the variables say."
  }
  assert {
    condition     = output.tags["consul.hashicorp.com/namespace"] == "default" && output.tags["consul.hashicorp.com/partition"] == "p" && output.role_tags["consul.hashicorp.com.namespace"] == "default"
    error_message = "In a partition a gateway's namespace is default."
  }
  assert {
    condition     = output.container_definitions[0].portMappings[0].containerPort == 9443 && output.container_definitions[1] == { name = "router", image = "fluent-bit", firelensConfiguration = { type = "fluentbit" } }
    error_message = "The containers are not the gateway at its port, and the other as it was."
  }
}

run "with_an_agent" {
  variables {
    consul_server_hosts            = ""
    retry_join                     = ["consul.shop.internal"]
    tls                            = true
    consul_server_ca_cert_arn      = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ca-AbCdEf"
    gossip_key_secret_arn          = "arn:aws:secretsmanager:us-east-1:123456789012:secret:key-AbCdEf"
    acls                           = true
    acl_secret_name_prefix         = "shop"
    consul_client_token_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:client-AbCdEf"
    service_token_secret_arn       = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-edge-AbCdEf"
  }
  assert {
    condition = { for k, v in jsondecode(output.config_json) : k => v if contains(["consulAgent", "consulServers", "acl"], k) } == {
      consulAgent = { retryJoin = ["consul.shop.internal"], datacenter = "dc1", caCert = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ca-AbCdEf", gossipKey = "arn:aws:secretsmanager:us-east-1:123456789012:secret:key-AbCdEf" }
      acl         = { serviceToken = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-edge-AbCdEf:token", agentToken = "arn:aws:secretsmanager:us-east-1:123456789012:secret:client-AbCdEf:token" }
    }
    error_message = "The gateway does not have an agent with its token."
  }
}

run "agent_by_login" {
  variables {
    consul_server_hosts      = ""
    retry_join               = ["10.0.3.7"]
    acls                     = true
    consul_http_addr         = "https://10.0.3.7:8501"
    consul_https_ca_cert_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:https-AbCdEf"
  }
  assert {
    condition     = jsondecode(output.config_json).acl == { login = { method = "iam-ecs-service-token", agentMethod = "iam-ecs-client-token", server = "https://10.0.3.7:8501", caCert = "arn:aws:secretsmanager:us-east-1:123456789012:secret:https-AbCdEf" } } && !can(output.container_definitions[0].secrets)
    error_message = "Agent and gateway do not log in."
  }
}
