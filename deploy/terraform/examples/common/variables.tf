variable "name" {
  description = "Name of the cluster, and the beginning of all other names."
  type        = string
}

variable "caller_ip" {
  description = "Who may reach the two URLs: an IPv4 address."
  type        = string
}

variable "region" {
  description = "Region of everything."
  type        = string
}

variable "launch_type" {
  description = "FARGATE or EC2."
  type        = string
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64: of the tasks, and what the image is built for."
  type        = string

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "The cpu_architecture must be X86_64 or ARM64."
  }
}

variable "mesh_image" {
  description = "Image meshtask-mesh. Empty: it is built of this repository and pushed, by push.sh."
  type        = string
}
