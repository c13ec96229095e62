# The network load balancer of lb_enabled: of a mesh gateway, whose WAN address it is, or of
# an API gateway. A balancer of the user's comes by custom_load_balancer_config.

locals {
  # By the listener's port, which is known while planning.
  balanced = { for p in module.definition.ports : tostring(p.listener) => p if var.lb_enabled }

  targets = var.lb_enabled ? [for port, p in local.balanced : {
    target_group_arn = aws_lb_target_group.this[port].arn
    container_name   = var.family
    container_port   = p.target
  }] : module.definition.load_balancers

  # The group whose members the balancer may send to.
  task_groups = var.lb_create_security_group ? aws_security_group.this[*].id : var.lb_modify_security_group ? [var.lb_modify_security_group_id] : []
}

resource "aws_lb" "this" {
  count = var.lb_enabled ? 1 : 0

  name               = module.definition.service_name
  internal           = var.lb_internal
  load_balancer_type = "network"
  subnets            = var.lb_subnets
  security_groups    = aws_security_group.lb[*].id
  tags               = var.tags

  lifecycle {
    precondition {
      condition     = length(var.lb_subnets) > 0
      error_message = "With lb_enabled the balancer's subnets are needed: give lb_subnets, public ones where clients or datacenters outside the VPC come in."
    }
    precondition {
      condition     = var.lb_vpc_id != ""
      error_message = "With lb_enabled the VPC is needed, for the target group: give lb_vpc_id."
    }
    precondition {
      condition     = !(var.lb_create_security_group && var.lb_modify_security_group)
      error_message = "There are lb_create_security_group and lb_modify_security_group: with the second give lb_create_security_group = false."
    }
    precondition {
      condition     = !var.lb_modify_security_group || var.lb_modify_security_group_id != ""
      error_message = "With lb_modify_security_group give lb_modify_security_group_id, the group of the tasks that gets the rule."
    }
  }
}

resource "aws_lb_target_group" "this" {
  for_each = local.balanced

  name                 = length(local.balanced) > 1 ? "${module.definition.service_name}-${each.key}" : module.definition.service_name
  port                 = each.value.target
  protocol             = "TCP"
  target_type          = "ip"
  vpc_id               = var.lb_vpc_id
  deregistration_delay = var.deregistration_delay
  tags                 = var.tags

  # Envoy has the port when the gateway is ready, and until it has drained.
  health_check {
    protocol = "TCP"
    interval = 10
  }
}

resource "aws_lb_listener" "this" {
  for_each = local.balanced

  load_balancer_arn = aws_lb.this[0].arn
  port              = each.value.listener
  protocol          = "TCP"
  tags              = var.tags

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[each.key].arn
  }
}

# Of the balancer: who may come. Its targets see the balancer's address, not the client's.
resource "aws_security_group" "lb" {
  count = var.lb_enabled ? 1 : 0

  name        = "${module.definition.service_name}-lb"
  description = "Load balancer of ${module.definition.service_name}"
  vpc_id      = var.lb_vpc_id
  tags        = var.tags
}

resource "aws_security_group_rule" "lb_ingress_rule" {
  for_each = local.balanced

  type              = "ingress"
  description       = "To ${module.definition.service_name}"
  from_port         = each.value.listener
  to_port           = each.value.listener
  protocol          = "tcp"
  cidr_blocks       = var.lb_ingress_rule_cidr_blocks
  security_group_id = aws_security_group.lb[0].id
}

resource "aws_security_group_rule" "lb_egress_rule" {
  for_each = local.balanced

  type              = "egress"
  description       = "To the gateways"
  from_port         = each.value.target
  to_port           = each.value.target
  protocol          = "tcp"
  cidr_blocks       = ["0.0.0.0/0"]
  ipv6_cidr_blocks  = ["::/0"]
  security_group_id = aws_security_group.lb[0].id
}

# Of the gateways: the balancer alone comes in by it.
resource "aws_security_group" "this" {
  count = var.lb_enabled && var.lb_create_security_group ? 1 : 0

  name        = module.definition.service_name
  description = "Security group for ${module.definition.service_name}"
  vpc_id      = var.lb_vpc_id
  tags        = var.tags
}

resource "aws_security_group_rule" "egress" {
  count = var.lb_enabled && var.lb_create_security_group ? 1 : 0

  type              = "egress"
  description       = "Everything outward"
  from_port         = 0
  to_port           = 0
  protocol          = "-1"
  cidr_blocks       = ["0.0.0.0/0"]
  ipv6_cidr_blocks  = ["::/0"]
  security_group_id = aws_security_group.this[0].id
}

resource "aws_security_group_rule" "ingress" {
  for_each = { for port, p in local.balanced : port => p if var.lb_create_security_group || var.lb_modify_security_group }

  type                     = "ingress"
  description              = "From the load balancer"
  from_port                = each.value.target
  to_port                  = each.value.target
  protocol                 = "tcp"
  source_security_group_id = aws_security_group.lb[0].id
  security_group_id        = local.task_groups[0]
}
