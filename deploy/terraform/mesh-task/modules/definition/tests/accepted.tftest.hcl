# The definitions of each way; no provider is needed. Each run has one thing to show.

variables {
  family                = "web"
  port                  = 8080
  retry_join            = ["10.0.3.7"]
  container_definitions = [{ name = "web", image = "shop/web:7", command = ["/web"] }]
}

run "single" {
  assert {
    condition     = jsonencode(output.container_definitions[0].entryPoint) == jsonencode(["meshtask", "run", "--"]) && jsonencode(output.container_definitions[0].command) == jsonencode(["/web"]) && length(output.container_definitions) == 1 && length(output.volumes) == 0
    error_message = "The single layout is not the app behind meshtask run."
  }
  assert {
    condition     = output.health_check_grace_period_seconds == 270
    error_message = "The grace must be longer than 120 s for joining and 120 s for tokens."
  }
}

run "injected" {
  variables {
    inject     = true
    mesh_image = "mesh:1"
    # The image's ENTRYPOINT is in front of the container's command.
    image_configs         = { web = [{ Config = { Entrypoint = ["/entry"], Cmd = ["unused"], StopSignal = "SIGWINCH" } }] }
    container_definitions = [{ name = "web", image = "httpd", command = ["/web"], mountPoints = [{ sourceVolume = "data", containerPath = "/data" }] }]
  }
  assert {
    condition     = [for c in output.container_definitions : c.name] == ["web", "meshtask", "meshtask-install"]
    error_message = "The containers are not the app, the mesh and the installer."
  }
  assert {
    condition = jsondecode(jsonencode(output.container_definitions[0])) == {
      name        = "web", image = "httpd", stopTimeout = 30
      entryPoint  = ["/mesh/meshtask", "app", "--", "/entry"], command = ["/web"]
      environment = [{ name = "MESHTASK_STOP_ON", value = "WINCH" }, { name = "MESHTASK_STOP_TIMEOUT", value = "30s" }]
      mountPoints = [{ sourceVolume = "data", containerPath = "/data" }, { sourceVolume = "meshtask_bin", containerPath = "/mesh", readOnly = true }]
      dependsOn   = [{ containerName = "meshtask-install", condition = "SUCCESS" }]
    }
    error_message = "The app is not its own command behind /mesh/meshtask app."
  }
  assert {
    condition = output.container_definitions[2] == {
      name        = "meshtask-install", image = "mesh:1", essential = false, entryPoint = ["meshtask"], command = ["install", "/mesh"], user = "0"
      mountPoints = [{ sourceVolume = "meshtask_bin", containerPath = "/mesh" }]
    }
    error_message = "The installer does not put meshtask into the volume."
  }
  assert {
    condition     = output.container_definitions[1].healthCheck.command == ["CMD", "meshtask", "health"] && output.volumes == ["meshtask_bin"] && !can(output.container_definitions[1].dependsOn)
    error_message = "The mesh container has its own meshtask, and waits for nobody."
  }
}

# As terraform-aws-consul-ecs v0.4.1 shows it: an image whose command nobody repeats.
run "command_of_the_image" {
  variables {
    inject                = true
    mesh_image            = "mesh:1"
    image_configs         = { web = { config = { Cmd = ["/app/fake-service"], Entrypoint = null } } }
    container_definitions = [{ name = "web", image = "ghcr.io/lkysow/fake-service:v0.21.0", essential = true, portMappings = [{ containerPort = 9090, hostPort = 9090, protocol = "tcp" }], cpu = 0, mountPoints = [], volumesFrom = [] }]
  }
  assert {
    condition     = output.container_definitions[0].entryPoint == ["/mesh/meshtask", "app", "--"] && output.container_definitions[0].command[0] == "/app/fake-service"
    error_message = "The app's command is not the image's."
  }
}

run "sidecars_are_left" {
  variables {
    log_configuration = { logDriver = "awsfirelens" }
    container_definitions = [
      { name = "web", image = "shop/web:7", command = ["/web"] },
      { name = "router", image = "mine", firelensConfiguration = { type = "fluentbit" } },
      { name = "datadog", image = "public.ecr.aws/datadog/agent:7" },
      { name = "xray", image = "amazon/aws-xray-daemon" },
      { name = "otel", image = "public.ecr.aws/aws-observability/aws-otel-collector:latest" },
      { name = "setup", image = "busybox", essential = false },
    ]
  }
  assert {
    condition     = [for c in output.container_definitions : c.name if can(c.entryPoint)] == ["web"]
    error_message = "A sidecar was wrapped."
  }
  assert {
    condition     = output.container_definitions[1] == { name = "router", image = "mine", firelensConfiguration = { type = "fluentbit" } } && output.container_definitions[2].logConfiguration.logDriver == "awsfirelens"
    error_message = "The log router logs to itself, or an agent nowhere."
  }
}

run "mesh_container" {
  variables {
    layout     = "siblings"
    mesh_image = "mesh:1"
    mesh_container = {
      user         = "12345", readonlyRootFilesystem = true, cpu = 64, memory = 256, ulimits = [{ name = "nofile", softLimit = 1024, hardLimit = 4096 }]
      environment  = [{ name = "A", value = "b" }], mountPoints = [{ sourceVolume = "x", containerPath = "/x" }], secrets = [{ name = "S", valueFrom = "arn" }]
      portMappings = null
    }
  }
  assert {
    condition = { for k, v in output.container_definitions[1] : k => v if !contains(["environment", "healthCheck"], k) } == {
      name        = "meshtask", image = "mesh:1", essential = true, entryPoint = ["meshtask", "run"], stopTimeout = 30
      user        = "12345", readonlyRootFilesystem = true, cpu = 64, memory = 256, ulimits = [{ name = "nofile", softLimit = 1024, hardLimit = 4096 }]
      mountPoints = [{ sourceVolume = "x", containerPath = "/x" }, { sourceVolume = "meshtask_state", containerPath = "/run/meshtask" }], secrets = [{ name = "S", valueFrom = "arn" }]
    }
    error_message = "The mesh container is not what mesh_container says."
  }
  assert {
    condition     = [for e in output.container_definitions[1].environment : e.name] == ["A", "MESHTASK_CONFIG_JSON"] && output.volumes == ["meshtask_state"]
    error_message = "Its environment or the volume of its state is missing."
  }
}

run "patience" {
  variables {
    health_check_start_period  = 250
    envoy_public_listener_port = 21000
    acls                       = true
    consul_http_addr           = "https://consul:8501"
    meshtask_config            = { consulAgent = { joinTimeout = "1m30s" }, acl = { wait = "500ms" } }
  }
  assert {
    condition     = jsondecode(output.config_json).proxy.publicListenerPort == 21000 && output.container_definitions[0].healthCheck.startPeriod == 250 && output.health_check_grace_period_seconds == 121
    error_message = "The port, the start period or the grace is not what the variables say."
  }
}

run "asked_by_a_probe" {
  variables {
    inject          = true
    mesh_image      = "mesh:1"
    meshtask_config = { health = { app = { tcp = "127.0.0.1:8080", interval = 7, startPeriod = 20 } } }
  }
  assert {
    condition     = jsonencode(output.container_definitions[0].healthCheck) == jsonencode({ command = ["CMD", "/mesh/meshtask", "probe", "tcp://127.0.0.1:8080"], interval = 7, startPeriod = 140 })
    error_message = "ECS does not ask the app by a probe."
  }
  assert {
    condition     = !can(jsondecode(output.config_json).health) && jsondecode(output.config_json).healthSyncContainers == ["web"]
    error_message = "The app's check is not the service's in Consul, or is asked twice."
  }
}

run "stop_on_of_the_configuration" {
  variables {
    image_configs   = { web = { Config = { StopSignal = "SIGUSR1" } } }
    meshtask_config = { app = { stopOn = ["USR2"] } }
  }
  assert {
    condition     = !contains([for e in output.container_definitions[0].environment : e.name], "MESHTASK_STOP_ON")
    error_message = "The variable would win over app.stopOn."
  }
}

# An app of the siblings layout starts when the mesh is up, and its check waits for that.
run "patience_of_siblings" {
  variables {
    mesh_image = "mesh:1"
    container_definitions = [
      { name = "web", image = "shop/web:7", command = ["/web"], healthCheck = { command = ["CMD", "/web", "check"], interval = 5, startPeriod = 200 } },
      { name = "images", image = "shop/images:2", command = ["/images"], healthCheck = { command = ["CMD", "/images", "check"], retries = null } },
      { name = "mail", image = "shop/mail:2", command = ["/mail"], healthCheck = { command = ["NONE"] } },
      { name = "logs", image = "shop/logs:2", command = ["/logs"] },
    ]
  }
  assert {
    condition = [for c in output.container_definitions : try(c.healthCheck, null)] == [
      { command = ["CMD", "/web", "check"], interval = 5, startPeriod = 300 }, { command = ["CMD", "/images", "check"], startPeriod = 120 }, { command = ["NONE"] }, null,
      { command = ["CMD", "meshtask", "health"], interval = 5, timeout = 5, retries = 3, startPeriod = 120 },
    ]
    error_message = "The apps' checks have no patience."
  }
}

run "stop_signals" {
  variables {
    layout     = "siblings"
    mesh_image = "mesh:1"
    container_definitions = [for n in ["term", "quit", "usr1", "twelve", "mine", "none"] : {
      name = n, image = n, command = ["/x"], environment = n == "mine" ? [{ name = "MESHTASK_STOP_ON", value = "HUP" }] : []
    }]
    image_configs = { term = { Config = { StopSignal = "SIGTERM" } }, quit = { Config = { StopSignal = "3" } }, usr1 = { Config = { StopSignal = "usr1" } }, twelve = { Config = { StopSignal = "12" } }, mine = { Config = { StopSignal = "SIGWINCH" } }, none = { Config = {} } }
  }
  assert {
    condition     = { for c in output.container_definitions : c.name => [for e in c.environment : e.value if e.name == "MESHTASK_STOP_ON"] if c.name != "meshtask" } == { term = [], quit = [], usr1 = ["USR1"], twelve = ["USR2"], mine = ["HUP"], none = [] }
    error_message = "The images' stop signals are not what begins a stop."
  }
}

# As terraform-aws-consul-ecs v0.10 is told: no agent is left of it.
run "without_an_agent" {
  variables {
    retry_join            = []
    consul_server_hosts   = "consul.shop.internal"
    tls                   = true
    tls_server_name       = "server.dc1.consul"
    consul_ca_cert_arn    = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ca-AaAaAa"
    http_config           = { port = 443 }
    acls                  = true
    consul_ecs_config     = { consulLogin = { enabled = true, meta = { env = "prod" } } }
    container_definitions = [{ name = "web", image = "shop/web:7", command = ["/web"], secrets = [{ name = "S", valueFrom = "arn" }] }]
  }
  assert {
    condition = jsondecode(output.config_json) == {
      service = { name = "web", port = 8080 }
      consulServers = {
        hosts = "consul.shop.internal", defaults = { tls = true, tlsServerName = "server.dc1.consul" }
        http  = { https = true, port = 443 }, grpc = { port = 8503 }
      }
      acl      = { login = { method = "iam-ecs-service-token", meta = { env = "prod" } } }
      shutdown = { stopTimeout = "30s" }
    }
    error_message = "The configuration is not that of a task without an agent: ${output.config_json}"
  }
  assert {
    condition = output.container_definitions[0].secrets == [
      { name = "S", valueFrom = "arn" },
      { name = "CONSUL_HTTPS_CACERT_PEM", valueFrom = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ca-AaAaAa" },
      { name = "CONSUL_GRPC_CACERT_PEM", valueFrom = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ca-AaAaAa" },
    ]
    error_message = "The servers' CAs are not given to the container."
  }
  assert {
    condition     = output.by_login
    error_message = "The task has to log in."
  }
}

run "without_an_agent_siblings" {
  variables {
    retry_join               = []
    consul_server_hosts      = "10.0.3.7"
    inject                   = true
    mesh_image               = "mesh:1"
    mesh_container           = { secrets = [{ name = "S", valueFrom = "arn" }] }
    tls                      = true
    consul_ca_cert_arn       = "arn:ca"
    consul_https_ca_cert_arn = "arn:https-ca"
    acls                     = true
    acl_secret_name_prefix   = "shop"
    service_token_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AaAaAa"
    skip_server_watch        = true
    meshtask_config          = { consulServers = { warmUp = false, joinTimeout = "60s" } }
  }
  assert {
    condition = output.container_definitions[1].secrets == [
      { name = "S", valueFrom = "arn" }, { name = "CONSUL_HTTPS_CACERT_PEM", valueFrom = "arn:https-ca" }, { name = "CONSUL_GRPC_CACERT_PEM", valueFrom = "arn:ca" },
    ] && !can(output.container_definitions[0].secrets)
    error_message = "The servers' CAs are not given to the mesh container alone."
  }
  assert {
    condition = jsondecode(output.config_json).acl == { serviceToken = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AaAaAa:token" } && jsondecode(output.config_json).consulServers == {
      hosts = "10.0.3.7", skipServerWatch = true, defaults = { tls = true }, http = { https = true, port = 8501 }, grpc = { port = 8503 }, warmUp = false, joinTimeout = "60s"
    }
    error_message = "The configuration is not that of a task without an agent: ${output.config_json}"
  }
  assert {
    condition     = output.health_check_grace_period_seconds == 210
    error_message = "The grace is not what joinTimeout says."
  }
}

run "without_an_agent_plain" {
  variables {
    retry_join          = []
    consul_server_hosts = "exec=discover"
  }
  assert {
    condition     = jsondecode(output.config_json).consulServers == { hosts = "exec=discover", defaults = { tls = false }, http = { https = false, port = 8500 }, grpc = { port = 8502 } } && !can(output.container_definitions[0].secrets)
    error_message = "The configuration is not that of servers without TLS: ${output.config_json}"
  }
}
