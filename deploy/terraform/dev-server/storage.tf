# The server's state, where it is to outlive the task.

locals {
  efs = var.persistent ? 1 : 0
}

resource "aws_efs_file_system" "data" {
  count = local.efs

  encrypted = true
  tags      = merge(var.tags, { Name = local.name })
}

resource "aws_security_group" "efs" {
  count = local.efs

  name        = "${local.name}-efs"
  description = "The file system of the Consul server of ${var.name_prefix}"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "efs" {
  count = local.efs

  security_group_id            = aws_security_group.efs[0].id
  referenced_security_group_id = aws_security_group.server.id
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
  description                  = "NFS, from the server"
}

resource "aws_efs_mount_target" "data" {
  count = var.persistent ? length(var.subnets) : 0

  file_system_id  = aws_efs_file_system.data[0].id
  subnet_id       = var.subnets[count.index]
  security_groups = [aws_security_group.efs[0].id]
}

resource "aws_efs_access_point" "data" {
  count = local.efs

  file_system_id = aws_efs_file_system.data[0].id
  tags           = var.tags

  posix_user {
    uid = 100
    gid = 1000
  }

  root_directory {
    path = "/consul"
    creation_info {
      owner_uid   = 100
      owner_gid   = 1000
      permissions = "0750"
    }
  }
}
