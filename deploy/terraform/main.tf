# Deploys a release of webhook-endpoints: uploads its functions and template to an S3 bucket,
# from which CloudFormation creates the stack. Use it in an unpacked release, where the
# functions are next to this folder: docs/deploying.md.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "bucket" {
  description = "Existing S3 bucket in the stack's Region, for the functions and the template."
  type        = string
}

variable "stack_name" {
  description = "Name of the CloudFormation stack. The names of the queues begin with it."
  type        = string
  default     = "webhook-endpoints"

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,70}$", var.stack_name))
    error_message = "stack_name must be up to 71 letters, digits and hyphens, and begin with a letter."
  }
}

variable "tags" {
  description = "Tags of the stack, which CloudFormation also applies to its resources."
  type        = map(string)
  default     = {}
}

locals {
  release = "${path.module}/.."
  prefix  = "webhook-endpoints/${trimspace(file("${local.release}/VERSION"))}"
}

data "aws_s3_bucket" "code" {
  bucket = var.bucket
}

# When the version changes, the old version's objects stay until the stack has been updated,
# because CloudFormation needs them if it rolls back.
resource "aws_s3_object" "function" {
  for_each = toset(["ApiFunction-${var.architecture}.zip", "DeliverFunction-${var.architecture}.zip"])

  bucket      = data.aws_s3_bucket.code.bucket
  key         = "${local.prefix}/${each.value}"
  source      = "${local.release}/functions/${each.value}"
  source_hash = filesha256("${local.release}/functions/${each.value}")

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_s3_object" "template" {
  bucket      = data.aws_s3_bucket.code.bucket
  key         = "${local.prefix}/template.yaml"
  source      = "${local.release}/template.yaml"
  source_hash = filesha256("${local.release}/template.yaml")

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudformation_stack" "this" {
  name         = var.stack_name
  template_url = "https://${data.aws_s3_bucket.code.bucket_regional_domain_name}/${aws_s3_object.template.key}"
  # The roles have generated names, and the template is one of AWS SAM, which CloudFormation
  # expands.
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
  parameters   = merge(local.parameters, { CodeBucket = data.aws_s3_bucket.code.bucket })
  tags         = var.tags

  depends_on = [aws_s3_object.function]
}
