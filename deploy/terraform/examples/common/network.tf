# A VPC of two zones: load balancers in the public subnets, tasks in the private ones,
# which reach AWS and the registries by a NAT gateway.

data "aws_availability_zones" "here" {
  state = "available"
}

resource "aws_vpc" "this" {
  cidr_block           = "10.0.0.0/16"
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

resource "aws_subnet" "public" {
  count = 2

  vpc_id            = aws_vpc.this.id
  availability_zone = data.aws_availability_zones.here.names[count.index]
  cidr_block        = cidrsubnet(aws_vpc.this.cidr_block, 8, count.index)
  tags              = { Name = "${var.name}-public" }
}

resource "aws_subnet" "private" {
  count = 2

  vpc_id            = aws_vpc.this.id
  availability_zone = data.aws_availability_zones.here.names[count.index]
  cidr_block        = cidrsubnet(aws_vpc.this.cidr_block, 8, 128 + count.index)
  tags              = { Name = "${var.name}-private" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = var.name }
}

resource "aws_eip" "nat" {
  domain = "vpc"
  tags   = { Name = "${var.name}-nat" }
}

resource "aws_nat_gateway" "this" {
  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.public[0].id
  tags          = { Name = var.name }
  depends_on    = [aws_internet_gateway.this]
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-public" }

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.this.id
  }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-private" }

  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = aws_nat_gateway.this.id
  }
}

resource "aws_route_table_association" "public" {
  count = 2

  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table_association" "private" {
  count = 2

  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private.id
}

# The tasks' group; deploy/README.md says what each port is for.

resource "aws_security_group" "mesh" {
  name        = "${var.name}-mesh"
  description = "Tasks in the Consul mesh"
  vpc_id      = aws_vpc.this.id
}

locals {
  rules = {
    "envoy"      = { protocol = "tcp", port = 20000, from = aws_security_group.mesh.id }
    "gossip-tcp" = { protocol = "tcp", port = 8301, from = aws_security_group.mesh.id }
    "gossip-udp" = { protocol = "udp", port = 8301, from = aws_security_group.mesh.id }
    "server-tcp" = { protocol = "tcp", port = 8301, from = module.dev_server.security_group_id }
    "server-udp" = { protocol = "udp", port = 8301, from = module.dev_server.security_group_id }
    "balancer"   = { protocol = "tcp", port = 9090, from = aws_security_group.balancer.id }
  }
}

resource "aws_vpc_security_group_ingress_rule" "mesh" {
  for_each = local.rules

  security_group_id            = aws_security_group.mesh.id
  referenced_security_group_id = each.value.from
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "mesh" {
  security_group_id = aws_security_group.mesh.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

# The way in, to the client's own port (docs/load-balancers.md).

resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "The load balancer of the client"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  security_group_id = aws_security_group.balancer.id
  cidr_ipv4         = "${var.caller_ip}/32"
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  security_group_id            = aws_security_group.balancer.id
  referenced_security_group_id = aws_security_group.mesh.id
  ip_protocol                  = "tcp"
  from_port                    = 9090
  to_port                      = 9090
}

resource "aws_lb" "client" {
  name               = "${var.name}-client"
  load_balancer_type = "application"
  subnets            = aws_subnet.public[*].id
  security_groups    = [aws_security_group.balancer.id]
}

resource "aws_lb_target_group" "client" {
  name                 = "${var.name}-client"
  vpc_id               = aws_vpc.this.id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = 9090
  deregistration_delay = 10

  health_check {
    path = "/health"
  }
}

resource "aws_lb_listener" "client" {
  load_balancer_arn = aws_lb.client.arn
  protocol          = "HTTP"
  port              = 80

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.client.arn
  }
}
