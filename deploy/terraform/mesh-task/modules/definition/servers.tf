# A task without a Consul agent: consul_server_hosts, and what goes with it, as
# terraform-aws-consul-ecs v0.7 and later have them.

locals {
  agentless = var.consul_server_hosts != ""

  servers = { for k, v in {
    hosts           = var.consul_server_hosts
    skipServerWatch = var.skip_server_watch ? true : null
    defaults = { for k, v in {
      tls           = var.tls
      tlsServerName = var.tls_server_name == "" ? null : var.tls_server_name
      caCertFile    = var.ca_cert_file == "" ? null : var.ca_cert_file
    } : k => v if v != null }
    http = merge({ https = var.tls, port = var.tls ? 8501 : 8500 }, var.http_config)
    grpc = merge({ port = var.tls ? 8503 : 8502 }, var.grpc_config)
  } : k => v if v != null && local.agentless }

  # ECS puts the CAs into the container that runs the mesh, by the execution role.
  server_cas = [for s in [
    { name = "CONSUL_HTTPS_CACERT_PEM", valueFrom = var.consul_https_ca_cert_arn != "" ? var.consul_https_ca_cert_arn : var.consul_ca_cert_arn },
    { name = "CONSUL_GRPC_CACERT_PEM", valueFrom = var.consul_grpc_ca_cert_arn != "" ? var.consul_grpc_ca_cert_arn : var.consul_ca_cert_arn },
  ] : s if local.agentless && var.tls && s.valueFrom != ""]
  grpc_tls   = try(var.grpc_config.tls, var.tls)
  grpc_ca    = var.consul_grpc_ca_cert_arn != "" || var.consul_ca_cert_arn != "" || var.ca_cert_file != "" || try(var.grpc_config.caCertFile, "") != ""
  own_login  = try(var.consul_ecs_config.consulLogin, {})
  more_login = { for k, v in local.own_login : k => v if !contains(["enabled", "method"], k) && v != null }

  # Variables of the other mode, which would say nothing.
  of_agents = [for name, given in {
    retry_join                     = length(var.retry_join) > 0
    consul_datacenter              = var.consul_datacenter != "dc1"
    consul_primary_datacenter      = var.consul_primary_datacenter != ""
    enable_acl_token_replication   = var.enable_acl_token_replication
    consul_agent_configuration     = var.consul_agent_configuration != ""
    consul_server_ca_cert_arn      = var.consul_server_ca_cert_arn != ""
    gossip_key_secret_arn          = var.gossip_key_secret_arn != ""
    consul_client_token_secret_arn = var.consul_client_token_secret_arn != ""
    client_token_auth_method_name  = var.client_token_auth_method_name != "iam-ecs-client-token"
    consul_http_addr               = var.consul_http_addr != ""
    checks                         = length(var.checks) > 0
  } : name if given]
  of_servers = [for name, given in {
    tls_server_name                 = var.tls_server_name != ""
    ca_cert_file                    = var.ca_cert_file != ""
    consul_ca_cert_arn              = var.consul_ca_cert_arn != ""
    consul_grpc_ca_cert_arn         = var.consul_grpc_ca_cert_arn != ""
    http_config                     = length(var.http_config) > 0
    grpc_config                     = length(var.grpc_config) > 0
    skip_server_watch               = var.skip_server_watch
    "consul_ecs_config.consulLogin" = length(local.own_login) > 0
  } : name if given]
}
