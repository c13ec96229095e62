# The ACL controller knows a task by its tags, and a task has its definition's
# only with propagate_tags. At 100 % a task stops when its successor is up.

resource "aws_ecs_service" "service" {
  for_each = { web = module.web.task_definition_arn, shop = module.shop.task_definition_arn }

  name                               = each.key
  cluster                            = aws_ecs_cluster.shop.arn
  task_definition                    = each.value
  desired_count                      = 2
  launch_type                        = "FARGATE"
  propagate_tags                     = "TASK_DEFINITION"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  network_configuration {
    subnets         = var.subnets
    security_groups = [aws_security_group.mesh.id]
  }
}
