# Generated from template.yaml by `just generate-deploy`.

variable "architecture" {
  description = "Processor architecture of both functions."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be one of arm64, x86_64."
  }
}

variable "log_level" {
  description = "Lowest severity that the functions log. debug logs the most."
  type        = string
  default     = "info"
  nullable    = false

  validation {
    condition     = contains(["error", "warn", "info", "debug"], var.log_level)
    error_message = "log_level must be one of error, warn, info, debug."
  }
}

variable "log_retention_days" {
  description = "Days to keep the function logs and the API access log. CloudWatch then deletes them."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "tracing" {
  description = "Active sends a sample of requests to X-Ray, which charges per trace. PassThrough starts no traces of its own."
  type        = string
  default     = "PassThrough"
  nullable    = false

  validation {
    condition     = contains(["PassThrough", "Active"], var.tracing)
    error_message = "tracing must be one of PassThrough, Active."
  }
}

variable "throttling_rate_limit" {
  description = "Requests per second that the API accepts from all callers combined. Requests above the limit get a 429."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.throttling_rate_limit >= 1
    error_message = "throttling_rate_limit must be at least 1."
  }
}

variable "throttling_burst_limit" {
  description = "Largest burst of requests that the API accepts before ThrottlingRateLimit applies. Requests above it get a 429."
  type        = number
  default     = 200
  nullable    = false

  validation {
    condition     = var.throttling_burst_limit >= 1
    error_message = "throttling_burst_limit must be at least 1."
  }
}

variable "api_reserved_concurrency" {
  description = "Concurrent executions to reserve for the API function, out of the account's total. It then cannot exceed that number. 0 reserves none. Lambda rejects a reservation that leaves fewer than 100 unreserved."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.api_reserved_concurrency >= 0 && var.api_reserved_concurrency <= 10000
    error_message = "api_reserved_concurrency must be 0 to 10000."
  }
}

variable "portal_title" {
  description = "Title of the customer portal, such as the name of your product."
  type        = string
  default     = "Webhooks"
  nullable    = false
}

variable "portal_logo_url" {
  description = "URL of a logo for the customer portal. Customers' browsers load it from this URL."
  type        = string
  default     = ""
  nullable    = false
}

variable "portal_accent_color" {
  description = "Colour of the customer portal's buttons and links. The portal darkens or lightens it where it would be hard to read."
  type        = string
  default     = "#3f51d6"
  nullable    = false
}

variable "portal_frame_ancestors" {
  description = "Origins whose pages may show the customer portal in a frame, such as https://app.example.com. If empty, none may."
  type        = string
  default     = ""
  nullable    = false
}

variable "ping_wait_seconds" {
  description = "Seconds that a test ping request waits for the outcome before it returns 202. Callers can override this with the Prefer header."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.ping_wait_seconds >= 0 && var.ping_wait_seconds <= 20
    error_message = "ping_wait_seconds must be 0 to 20."
  }
}

variable "api_key_cache_seconds" {
  description = "Seconds that a checked API key is trusted without another lookup. A revoked key may keep working for this long. 0 looks up the key on every request."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.api_key_cache_seconds >= 0 && var.api_key_cache_seconds <= 300
    error_message = "api_key_cache_seconds must be 0 to 300."
  }
}

variable "cors_allow_origins" {
  description = "Origins whose web pages may call the API from a browser (CORS). * allows all, empty allows none. The portal does not need this."
  type        = string
  default     = ""
  nullable    = false
}

variable "portal_url" {
  description = "Base URL of links to the portal, without /portal/. Set it if the API has a custom domain with a base path or is behind a proxy. If empty, links use the domain of the API request that created them."
  type        = string
  default     = ""
  nullable    = false
}

variable "strict_event_types" {
  description = "Whether the API rejects events and subscriptions whose type is not in the event type catalogue. Messages that other services put on the queue are not checked."
  type        = string
  default     = "false"
  nullable    = false

  validation {
    condition     = contains(["true", "false"], var.strict_event_types)
    error_message = "strict_event_types must be one of true, false."
  }
}

variable "delivery_timeout_seconds" {
  description = "Seconds that one attempt may take, from DNS resolution to the last byte of the response. If the response's status line and headers have not arrived by then, the attempt fails."
  type        = number
  default     = 15
  nullable    = false

  validation {
    condition     = var.delivery_timeout_seconds >= 1 && var.delivery_timeout_seconds <= 30
    error_message = "delivery_timeout_seconds must be 1 to 30."
  }
}

variable "retry_schedule_seconds" {
  description = "Comma-separated waits in seconds, one before each retry. If the last retry fails, the delivery fails. Each wait is randomized by up to 20 percent."
  type        = string
  default     = "5,300,1800,7200,18000,36000,50400,72000,86400"
  nullable    = false
}

variable "disable_after_days" {
  description = "Days that every attempt must fail before the service disables an endpoint. A disabled endpoint gets no events until it is activated again."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.disable_after_days >= 1 && var.disable_after_days <= 90
    error_message = "disable_after_days must be 1 to 90."
  }
}

variable "delivery_max_concurrency" {
  description = "Maximum number of concurrent delivery function invocations, each with a batch of up to 10 messages. Higher values deliver faster and use more of the account's Lambda concurrency."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.delivery_max_concurrency >= 2 && var.delivery_max_concurrency <= 1000
    error_message = "delivery_max_concurrency must be 2 to 1000."
  }
}

variable "slow_max_concurrency" {
  description = "Maximum number of concurrent delivery function invocations for the slow lane, each with up to 100 messages. The slow lane handles slow and failing endpoints, retries and recoveries. Higher values deliver these faster but cost more while receivers hang."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.slow_max_concurrency >= 2 && var.slow_max_concurrency <= 1000
    error_message = "slow_max_concurrency must be 2 to 1000."
  }
}

variable "slow_after_seconds" {
  description = "Seconds that a delivery attempt may take before its endpoint counts as slow and its deliveries move to the slow lane."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.slow_after_seconds >= 1 && var.slow_after_seconds <= 30
    error_message = "slow_after_seconds must be 1 to 30."
  }
}

variable "pause_after_seconds" {
  description = "Seconds that an endpoint must fail, without a success, before it is paused. Its deliveries then wait while one delivery at a time is sent as a probe, until one succeeds."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.pause_after_seconds >= 1 && var.pause_after_seconds <= 86400
    error_message = "pause_after_seconds must be 1 to 86400."
  }
}

variable "drain_per_second" {
  description = "Deliveries per second to an endpoint that has recovered from a pause, until all that waited have been sent."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.drain_per_second >= 1 && var.drain_per_second <= 1000
    error_message = "drain_per_second must be 1 to 1000."
  }
}

variable "retention_days" {
  description = "Days to keep deliveries, event payloads and idempotency keys. Must cover the longest time a delivery can be pending (15 days by default), or the delivery function refuses to start. Each retry can wait for a day (Retry-After), and DisableAfterDays is added to that."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 365
    error_message = "retention_days must be 1 to 365."
  }
}

variable "secret_storage" {
  description = "How new signing secrets are stored. PerEndpoint stores each in Secrets Manager, for $0.40 a month. Sealed stores them in the table, encrypted to a key pair whose private key is the only secret in Secrets Manager."
  type        = string
  default     = "PerEndpoint"
  nullable    = false

  validation {
    condition     = contains(["PerEndpoint", "Sealed"], var.secret_storage)
    error_message = "secret_storage must be one of PerEndpoint, Sealed."
  }
}

variable "secret_prefix" {
  description = "Prefix of the signing secrets' names. Give each stack its own. Do not change it once endpoints exist, or deliveries to them will fail."
  type        = string
  default     = "webhook-endpoints"
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of a symmetric KMS key in this Region to encrypt the table and the queues with. Its policy must allow what docs/deploying.md lists. If empty, AWS managed keys are used."
  type        = string
  default     = ""
  nullable    = false
}

variable "payload_format" {
  description = "Body that receivers get. standard has type, timestamp and data. data is only the event's data. flat has the fields of the data, and a field event with the type."
  type        = string
  default     = "standard"
  nullable    = false

  validation {
    condition     = contains(["standard", "data", "flat"], var.payload_format)
    error_message = "payload_format must be one of standard, data, flat."
  }
}

variable "standard_headers" {
  description = "Whether deliveries have webhook-id, webhook-timestamp and webhook-signature. If false, HeaderPrefix or SignatureHeaders must be set, or the delivery function refuses to start."
  type        = string
  default     = "true"
  nullable    = false

  validation {
    condition     = contains(["true", "false"], var.standard_headers)
    error_message = "standard_headers must be one of true, false."
  }
}

variable "header_prefix" {
  description = "Prefix under which deliveries have the same three headers again. svix, for example, adds svix-id, svix-timestamp and svix-signature."
  type        = string
  default     = "webhook"
  nullable    = false
}

variable "signature_headers" {
  description = "Headers with additional signatures, for receivers that verify a scheme other than Standard Webhooks. A JSON list of up to 5 objects; see docs/signatures.md."
  type        = string
  default     = ""
  nullable    = false
}

variable "event_headers" {
  description = "Additional headers that describe the event. A JSON object of up to 10 names and values. {type}, {id}, {attempt}, {timestamp}, {app} and {endpoint} are replaced in the values."
  type        = string
  default     = ""
  nullable    = false
}

variable "allowed_ports" {
  description = "Ports that endpoint URLs may use. Others are rejected at registration and before each attempt."
  type        = string
  default     = "443,1024-65535"
  nullable    = false
}

variable "blocked_cidrs" {
  description = "Public addresses that no delivery may go to, such as your own load balancers. Private, local and reserved addresses are blocked anyway."
  type        = string
  default     = ""
  nullable    = false
}

variable "allowed_private_cidrs" {
  description = "Private addresses that deliveries may go to, for receivers in your own network. Every app can then register them, so allow as few as possible. Requires VpcSubnetIds."
  type        = string
  default     = ""
  nullable    = false
}

variable "vpc_subnet_ids" {
  description = "Private subnets for the delivery function, with a route to a NAT gateway. All deliveries then come from the gateway's address. If empty, the function is not attached to a VPC."
  type        = string
  default     = ""
  nullable    = false
}

variable "vpc_security_group_ids" {
  description = "Security groups for the delivery function in VpcSubnetIds. They need no inbound rules."
  type        = string
  default     = ""
  nullable    = false
}

variable "alarm_email" {
  description = "Email address that receives the alarms after it confirms the SNS subscription. Ignored if AlarmTopicArn is set. If both are empty, alarms notify nobody."
  type        = string
  default     = ""
  nullable    = false
}

variable "alarm_topic_arn" {
  description = "ARN of an existing SNS topic that receives the alarms. CloudWatch must be allowed to publish to it."
  type        = string
  default     = ""
  nullable    = false
}

variable "operational_event_bus" {
  description = "Name of an existing EventBridge event bus in this account and Region, such as default. It gets an event when an endpoint fails, is paused, recovers or is disabled, a delivery fails, or an app is deleted."
  type        = string
  default     = ""
  nullable    = false
}
