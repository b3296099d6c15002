//! Variables of both functions.

use std::time::Duration;

use super::variables::{Lookup, days, parsed, required};
use super::{ConfigError, egress};
use crate::domain::address::AddressPolicy;
use crate::domain::payload_format::PayloadFormat;

/// Configuration shared by both functions.
#[derive(Debug, Clone)]
pub struct CommonConfig {
    /// `AWS_REGION`. Lambda sets it.
    pub region: String,
    /// `AWS_ENDPOINT_URL`: replaces the AWS endpoints. For development only: the
    /// template never sets it.
    pub endpoint_url: Option<String>,
    /// `TABLE_NAME`: the DynamoDB table.
    pub table_name: String,
    /// `SECRET_PREFIX`: prefix of every secret name in Secrets Manager.
    pub secret_prefix: String,
    /// `QUEUE_URL`: the queue of the fast lane.
    pub queue_url: String,
    /// `SLOW_QUEUE_URL`: the queue of the slow lane.
    pub slow_queue_url: String,
    /// `RETENTION_DAYS`: how long deliveries and their payloads are kept, 1 to 365 days.
    pub retention: Duration,
    /// The addresses and ports that deliveries may be sent to:
    ///
    /// - `ALLOWED_PORTS`: ports and port ranges; 443 and 1024 to 65535 by default.
    /// - `BLOCKED_CIDRS`: public blocks to refuse.
    /// - `ALLOWED_PRIVATE_CIDRS`: private blocks to allow.
    /// - `ALLOW_LOOPBACK_TARGETS`: `true` allows `http` URLs, loopback addresses and all
    ///   ports, and overrides the others. For development only: the template never sets it.
    pub address_policy: AddressPolicy,
    /// `PAYLOAD_FORMAT`: the format of request bodies: `standard` (default), `data` or
    /// `flat`.
    pub payload_format: PayloadFormat,
}

impl CommonConfig {
    pub(super) fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            region: required(lookup, "AWS_REGION")?,
            endpoint_url: lookup("AWS_ENDPOINT_URL").filter(|url| !url.is_empty()),
            table_name: required(lookup, "TABLE_NAME")?,
            secret_prefix: required(lookup, "SECRET_PREFIX")?,
            queue_url: required(lookup, "QUEUE_URL")?,
            slow_queue_url: required(lookup, "SLOW_QUEUE_URL")?,
            retention: days(lookup, "RETENTION_DAYS", 30, 1, 365)?,
            address_policy: egress::address_policy(lookup)?,
            payload_format: parsed(lookup, "PAYLOAD_FORMAT")?.unwrap_or_default(),
        })
    }
}
