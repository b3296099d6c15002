//! Options for the format of deliveries. They take the same values as the template's parameters.

use clap::Args;
use webhook_endpoints::config::{ConfigError, read_webhook_headers};
use webhook_endpoints::domain::payload_format::PayloadFormat;
use webhook_endpoints::domain::webhook_headers::WebhookHeaders;

#[derive(Args)]
pub(crate) struct DeliveryOptions {
    /// Whether to send the headers webhook-id, webhook-timestamp and webhook-signature: true or
    /// false.
    #[arg(long, env = "STANDARD_HEADERS")]
    standard_headers: Option<String>,
    /// A second prefix, such as svix, under which to send the same headers.
    #[arg(long, env = "HEADER_PREFIX")]
    header_prefix: Option<String>,
    /// More signatures: a JSON list (docs/signatures.md).
    #[arg(long, env = "SIGNATURE_HEADERS")]
    signature_headers: Option<String>,
    /// More headers: a JSON object (docs/signatures.md).
    #[arg(long, env = "EVENT_HEADERS")]
    event_headers: Option<String>,
    /// The form of the body: standard, data or flat.
    #[arg(long, env = "PAYLOAD_FORMAT", default_value_t)]
    pub(crate) payload_format: PayloadFormat,
}

impl DeliveryOptions {
    pub(crate) fn webhook_headers(&self) -> Result<WebhookHeaders, ConfigError> {
        read_webhook_headers(&|name| match name {
            "STANDARD_HEADERS" => self.standard_headers.clone(),
            "HEADER_PREFIX" => self.header_prefix.clone(),
            "SIGNATURE_HEADERS" => self.signature_headers.clone(),
            "EVENT_HEADERS" => self.event_headers.clone(),
            _ => None,
        })
    }
}
