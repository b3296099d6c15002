//! Options for what deliveries look like. They take the values of the template's
//! parameters.

use clap::Args;
use webhook_endpoints::config::{ConfigError, read_webhook_headers};
use webhook_endpoints::domain::payload_format::PayloadFormat;
use webhook_endpoints::domain::webhook_headers::WebhookHeaders;

#[derive(Args)]
pub(crate) struct DeliveryOptions {
    /// Whether deliveries have webhook-id, webhook-timestamp and webhook-signature: true or
    /// false.
    #[arg(long, env = "STANDARD_HEADERS")]
    standard_headers: Option<String>,
    /// Another prefix by which deliveries have the same headers, such as svix.
    #[arg(long, env = "HEADER_PREFIX")]
    header_prefix: Option<String>,
    /// Further signatures, a list in JSON (docs/signatures.md).
    #[arg(long, env = "SIGNATURE_HEADERS")]
    signature_headers: Option<String>,
    /// Further headers, an object in JSON (docs/signatures.md).
    #[arg(long, env = "EVENT_HEADERS")]
    event_headers: Option<String>,
    /// The form in which receivers get an event: standard, data or flat.
    #[arg(long, env = "PAYLOAD_FORMAT", default_value_t)]
    pub(crate) payload_format: PayloadFormat,
}

impl DeliveryOptions {
    /// The headers of deliveries.
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
