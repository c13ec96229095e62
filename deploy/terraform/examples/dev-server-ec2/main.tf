# From an empty account to two services in a mesh, on EC2 instances:
#
#   terraform apply -var caller_ip=$(curl -s https://checkip.amazonaws.com)

provider "aws" {
  region = var.region
}

module "mesh" {
  source = "../common"

  name             = var.name
  caller_ip        = var.caller_ip
  region           = var.region
  launch_type      = "EC2"
  cpu_architecture = var.cpu_architecture
  mesh_image       = var.mesh_image
}
