# One group for the mesh's tasks and the ACL controller; the Consul servers have
# theirs. deploy/README.md says what each port is for.

resource "aws_security_group" "mesh" {
  name        = "mesh-tasks"
  description = "Tasks in the Consul mesh"
  vpc_id      = var.vpc_id
}

locals {
  # from mesh to mesh
  within = {
    "envoy"      = { protocol = "tcp", port = 20000, description = "mesh traffic, mTLS between proxies" }
    "gateway"    = { protocol = "tcp", port = 8443, description = "mesh and terminating gateways" }
    "gossip-tcp" = { protocol = "tcp", port = 8301, description = "gossip" }
    "gossip-udp" = { protocol = "udp", port = 8301, description = "gossip" }
  }
  # from mesh to servers
  to_servers = {
    "rpc"        = { protocol = "tcp", port = 8300, description = "the agents' RPC" }
    "gossip-tcp" = { protocol = "tcp", port = 8301, description = "gossip" }
    "gossip-udp" = { protocol = "udp", port = 8301, description = "gossip" }
    "https"      = { protocol = "tcp", port = 8501, description = "the ACL controller, and logins" }
    "xds"        = { protocol = "tcp", port = 8502, description = "xDS, for an agent that others run" }
    "xds-tls"    = { protocol = "tcp", port = 8503, description = "xDS with TLS, likewise" }
  }
  # from servers to mesh
  from_servers = { for name, rule in local.within : name => rule if rule.port == 8301 }
}

resource "aws_vpc_security_group_ingress_rule" "within" {
  for_each = local.within

  security_group_id            = aws_security_group.mesh.id
  referenced_security_group_id = aws_security_group.mesh.id
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = each.value.description
}

resource "aws_vpc_security_group_ingress_rule" "from_servers" {
  for_each = local.from_servers

  security_group_id            = aws_security_group.mesh.id
  referenced_security_group_id = var.consul_security_group_id
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = each.value.description
}

resource "aws_vpc_security_group_ingress_rule" "to_servers" {
  for_each = local.to_servers

  security_group_id            = var.consul_security_group_id
  referenced_security_group_id = aws_security_group.mesh.id
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = each.value.description
}

# To the mesh, to the servers, to AWS, and to what the apps call outside.
resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.mesh.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
  description       = "everything outward"
}
