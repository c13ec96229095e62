variable "region" {
  description = "Region of everything."
  type        = string
  default     = "us-east-1"
}

variable "account" {
  description = "Account of the cluster and of the images."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of the tasks and of the Consul servers."
  type        = string
}

variable "subnets" {
  description = "Private subnets with a way to AWS (NAT gateway or endpoints)."
  type        = list(string)
}

variable "public_subnets" {
  description = "Public subnets, of the load balancer before the API gateway."
  type        = list(string)
}

variable "certificate_arn" {
  description = "ARN of the load balancer's certificate (ACM)."
  type        = string
}

variable "consul_security_group_id" {
  description = "Security group of the Consul servers."
  type        = string
}

variable "bootstrap_token_arn" {
  description = "ARN of the secret with the ACL controller's Consul token."
  type        = string
}

variable "ca_cert_arn" {
  description = "ARN of the secret with the PEM of the servers' CA."
  type        = string
}

variable "gossip_key_arn" {
  description = "ARN of the secret with the gossip encryption key."
  type        = string
}

variable "consul_address" {
  description = "A name that has the addresses of the Consul servers, and is in their certificates."
  type        = string
  default     = "consul.shop.internal"
}

variable "cpu_architecture" {
  description = "What the images are built for: X86_64 or ARM64."
  type        = string
  default     = "X86_64"
}

variable "metrics_namespace" {
  description = "Namespace of meshtask's metrics in CloudWatch, by which a bad deployment is rolled back. Empty: none."
  type        = string
  default     = "meshtask"
}
