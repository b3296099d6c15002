//! The headers of deliveries. The first three lines of the input are the operator's settings:
//! prefix, signature headers and event headers. The fourth is an endpoint's own headers. The
//! rest is the body of a delivery, and of the receiver's response.

use std::collections::BTreeSet;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use super::must;
use crate::domain::endpoint::EndpointKey;
use crate::domain::event_type::EventType;
use crate::domain::id::{AppId, EndpointId};
use crate::domain::message::DeliveryTask;
use crate::domain::own_headers::OwnHeaders;
use crate::domain::signing::{SecretFormat, SigningSecret};
use crate::domain::time;
use crate::domain::webhook_headers::WebhookHeaders;

pub(crate) fn run(text: &str) {
    let mut lines = text.splitn(5, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (prefix, signatures, facts, own, body) = (next(), next(), next(), next(), next());
    let settings = (prefix.parse(), signatures.parse(), facts.parse());
    if let (Ok(prefix), Ok(signatures), Ok(facts)) = settings {
        for standard in [true, false] {
            let (signatures, facts) = (Clone::clone(&signatures), Clone::clone(&facts));
            let prefix = Clone::clone(&prefix);
            if let Ok(headers) = WebhookHeaders::new(standard, prefix, signatures, facts) {
                check_headers(&headers, body);
            }
        }
    }
    match OwnHeaders::parse(own) {
        Ok(Some(own)) => check_own(&own, body),
        Ok(None) => {}
        Err(errors) => assert!(
            errors
                .iter()
                .all(|error| error.field.starts_with("headers"))
        ),
    }
}

fn check_headers(headers: &WebhookHeaders, body: &str) {
    let secret = |text, format| must(SigningSecret::parse(text, format));
    let one = secret(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        SecretFormat::Standard,
    );
    let other = secret("sixteen-or-more-characters", SecretFormat::Text);
    let at = must(time::parse("2026-01-31T09:30:00Z"));
    let task = task();
    for secrets in [&[&one][..], &[&one, &other]] {
        let sent = headers.of(&task, at, body, secrets);
        let names: BTreeSet<_> = sent.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), sent.len(), "a header is sent twice");
        for (name, value) in &sent {
            check_header(name, value);
            assert_eq!(*name, name.to_ascii_lowercase());
            assert!(!is_framing(name), "{name}");
        }
    }
}

/// HTTP can carry the header, and does not change it.
fn check_header(name: &str, value: &str) {
    must(name.parse::<HeaderName>());
    let parsed = must(value.parse::<HeaderValue>());
    assert_eq!(parsed.to_str().ok(), Some(value), "not visible ASCII");
    assert!(!value.is_empty() && value.trim() == value, "{value:?}");
}

/// Whether HTTP itself uses a header, such as for routing or framing.
fn is_framing(name: &str) -> bool {
    let names = [
        "host",
        "connection",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
    ];
    names.contains(&name) || name.starts_with("content-") || name.starts_with("proxy-")
}

fn task() -> DeliveryTask {
    let at = must(time::parse("2026-01-31T09:30:00Z"));
    let endpoint = EndpointKey {
        app_id: must(AppId::parse("acme")),
        endpoint_id: EndpointId::from_bytes([1; 16]),
    };
    let event_type = must(EventType::parse("invoice.paid"));
    DeliveryTask::ping_like(event_type, "1", endpoint, at, Duration::from_secs(60))
}

fn check_own(own: &OwnHeaders, response: &str) {
    let names: BTreeSet<_> = own.names().map(str::to_ascii_lowercase).collect();
    assert_eq!(names.len(), own.names().count(), "a header is sent twice");
    for (name, value) in own.iter() {
        check_header(name, value.expose_secret());
        let lower = name.to_ascii_lowercase().replace('_', "-");
        assert!(
            !is_framing(&lower) && !lower.starts_with("webhook-"),
            "{name}"
        );
    }
    assert_eq!(format!("{own:?}"), "OwnHeaders([REDACTED])");
    let lines = own.to_lines();
    let again = OwnHeaders::from_lines(lines.as_bytes());
    assert_eq!(again.map(|again| again.to_lines()), Some(lines));
    check_removal(own, response);
}

/// Values of at least 8 bytes are removed from a response. A response that contains no part
/// of a value stays unchanged.
fn check_removal(own: &OwnHeaders, response: &str) {
    let shown = own.removed_from(response);
    let values: Vec<_> = own.iter().map(|(_, value)| value.expose_secret()).collect();
    let secrets = values.iter().filter(|value| value.len() >= 8);
    for value in secrets.clone() {
        // `[removed]` itself may complete another value.
        let is_made_up = value.contains('[') || value.contains(']') || "[removed]".contains(*value);
        assert!(
            is_made_up || !shown.contains(*value),
            "{value} is in {shown}"
        );
    }
    let parts = values.iter().flat_map(|value| value.as_bytes().windows(8));
    let mut parts = parts.map(|part| String::from_utf8_lossy(part).into_owned());
    let escaped = response.contains('\\');
    if !escaped && !parts.any(|part| response.contains(&part)) {
        assert_eq!(shown, response);
    }
}
