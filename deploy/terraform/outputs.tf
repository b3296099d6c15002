# Generated from template.yaml by `just generate-deploy`.

output "api_url" {
  description = "Base URL of the API. Paths start with /apps."
  value       = aws_cloudformation_stack.this.outputs["ApiUrl"]
}

output "table_name" {
  description = "DynamoDB table with the endpoints, deliveries and API keys. It is kept when the stack is deleted."
  value       = aws_cloudformation_stack.this.outputs["TableName"]
}

output "queue_url" {
  description = "URL of the delivery queue."
  value       = aws_cloudformation_stack.this.outputs["QueueUrl"]
}

output "queue_arn" {
  description = "ARN of the delivery queue, for IAM policies and redrives."
  value       = aws_cloudformation_stack.this.outputs["QueueArn"]
}

output "slow_queue_url" {
  description = "URL of the slow lane's queue."
  value       = aws_cloudformation_stack.this.outputs["SlowQueueUrl"]
}

output "dead_letter_queue_url" {
  description = "URL of the dead-letter queue, which holds messages that the delivery function could not read or kept failing on."
  value       = aws_cloudformation_stack.this.outputs["DeadLetterQueueUrl"]
}

output "secret_prefix" {
  description = "Prefix of the signing secrets' names."
  value       = aws_cloudformation_stack.this.outputs["SecretPrefix"]
}

output "api_function_name" {
  description = "Name of the API function."
  value       = aws_cloudformation_stack.this.outputs["ApiFunctionName"]
}

output "deliver_function_name" {
  description = "Name of the delivery function."
  value       = aws_cloudformation_stack.this.outputs["DeliverFunctionName"]
}

output "admin_environment" {
  description = "Environment variables for the admin command. Put them in front of it, for example in front of webhook-endpoints-admin keys create --platform, which creates the platform's first API key."
  value       = aws_cloudformation_stack.this.outputs["AdminEnvironment"]
}
