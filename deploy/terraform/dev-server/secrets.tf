# Without versions: the task makes the values, so that none is in Terraform's state.
resource "aws_secretsmanager_secret" "this" {
  for_each = {
    ca-cert         = "PEM of the CA of the Consul servers"
    ca-key          = "Key of the CA of the Consul servers"
    gossip-key      = "Consul's gossip encryption key"
    bootstrap-token = "Consul's management token"
  }

  name                    = "${var.name_prefix}-${each.key}"
  description             = "${each.value}, made by the dev server"
  recovery_window_in_days = 0
  tags                    = var.tags
}
