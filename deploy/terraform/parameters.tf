# Generated from template.yaml by `just generate-deploy`.

locals {
  parameters = {
    Architecture           = var.architecture
    LogLevel               = var.log_level
    LogRetentionDays       = var.log_retention_days
    Tracing                = var.tracing
    ThrottlingRateLimit    = var.throttling_rate_limit
    ThrottlingBurstLimit   = var.throttling_burst_limit
    ApiReservedConcurrency = var.api_reserved_concurrency
    PortalTitle            = var.portal_title
    PortalLogoUrl          = var.portal_logo_url
    PortalAccentColor      = var.portal_accent_color
    PortalFrameAncestors   = var.portal_frame_ancestors
    PingWaitSeconds        = var.ping_wait_seconds
    ApiKeyCacheSeconds     = var.api_key_cache_seconds
    CorsAllowOrigins       = var.cors_allow_origins
    PortalUrl              = var.portal_url
    StrictEventTypes       = var.strict_event_types
    DeliveryTimeoutSeconds = var.delivery_timeout_seconds
    RetryScheduleSeconds   = var.retry_schedule_seconds
    DisableAfterDays       = var.disable_after_days
    DeliveryMaxConcurrency = var.delivery_max_concurrency
    SlowMaxConcurrency     = var.slow_max_concurrency
    SlowAfterSeconds       = var.slow_after_seconds
    PauseAfterSeconds      = var.pause_after_seconds
    DrainPerSecond         = var.drain_per_second
    RetentionDays          = var.retention_days
    SecretStorage          = var.secret_storage
    SecretPrefix           = var.secret_prefix
    KmsKeyArn              = var.kms_key_arn
    PayloadFormat          = var.payload_format
    StandardHeaders        = var.standard_headers
    HeaderPrefix           = var.header_prefix
    SignatureHeaders       = var.signature_headers
    EventHeaders           = var.event_headers
    AllowedPorts           = var.allowed_ports
    BlockedCidrs           = var.blocked_cidrs
    AllowedPrivateCidrs    = var.allowed_private_cidrs
    VpcSubnetIds           = var.vpc_subnet_ids
    VpcSecurityGroupIds    = var.vpc_security_group_ids
    AlarmEmail             = var.alarm_email
    AlarmTopicArn          = var.alarm_topic_arn
    OperationalEventBus    = var.operational_event_bus
  }
}
