variable "caller_ip" {
  description = "Who may reach the two URLs, yours: what curl https://checkip.amazonaws.com prints."
  type        = string

  validation {
    condition     = can(cidrhost("${var.caller_ip}/32", 0))
    error_message = "The caller_ip must be one IPv4 address, such as 203.0.113.7: what curl https://checkip.amazonaws.com prints."
  }
}

variable "region" {
  description = "Region of everything."
  type        = string
  default     = "us-east-1"
}

variable "name" {
  description = "Name of the cluster, and the beginning of all other names."
  type        = string
  default     = "meshtask-ec2"
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64: of the tasks, and what the image is built for."
  type        = string
  default     = "X86_64"
}

variable "mesh_image" {
  description = "Image meshtask-mesh. Empty: it is built of this repository and pushed to ECR (needs docker, podman or buildah, and the AWS CLI)."
  type        = string
  default     = ""
}
