module "services" {
  source   = "../../mesh-service"
  for_each = { web = module.web.task_definition_arn, shop = module.shop.task_definition_arn, api = module.api.task_definition_arn }

  name                = each.key
  ecs_cluster_arn     = aws_ecs_cluster.shop.arn
  task_definition_arn = each.value
  subnets             = var.subnets
  security_groups     = [aws_security_group.mesh.id]
  metrics_namespace   = var.metrics_namespace
}
