//! The headers that identify and authenticate a delivery: those of Standard Webhooks, and
//! those that an operator adds for receivers that expect another scheme.

mod event_headers;
mod prefix;
mod signature;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::header_name::HeaderName;
use super::message::DeliveryTask;
use super::signing::{SigningSecret, sign_with_each};
pub use event_headers::EventHeaders;
pub use prefix::HeaderPrefix;
pub use signature::SignatureHeaders;
use template::{Placeholder, Template};

/// A deployment's settings for the headers of its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookHeaders {
    /// The prefixes with which the headers of Standard Webhooks are sent.
    prefixes: Vec<HeaderPrefix>,
    signatures: SignatureHeaders,
    events: EventHeaders,
}

/// Why settings that are valid by themselves can't be combined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// Another header has the same name as the signature header with this index.
    Signature(usize),
    /// Another header has the same name as this event header.
    Event(HeaderName),
    /// No header contains a signature.
    Unsigned,
}

impl Default for WebhookHeaders {
    /// Only the headers of Standard Webhooks.
    fn default() -> Self {
        Self {
            prefixes: vec![HeaderPrefix::default()],
            signatures: SignatureHeaders::default(),
            events: EventHeaders::default(),
        }
    }
}

impl WebhookHeaders {
    /// Combines settings. `standard` enables `webhook-id`, `webhook-timestamp` and
    /// `webhook-signature`. Any other prefix sends the same values under its own names too.
    ///
    /// # Errors
    /// If two headers have the same name, or none contains a signature.
    pub fn new(
        standard: bool,
        prefix: HeaderPrefix,
        signatures: SignatureHeaders,
        events: EventHeaders,
    ) -> Result<Self, Conflict> {
        let other = (prefix != HeaderPrefix::default()).then_some(prefix);
        let standard = standard.then(HeaderPrefix::default);
        let prefixes: Vec<_> = standard.into_iter().chain(other).collect();
        if prefixes.is_empty() && signatures.0.is_empty() {
            return Err(Conflict::Unsigned);
        }
        let names = prefixes.iter().flat_map(HeaderPrefix::names);
        let mut taken: BTreeSet<_> = names.map(str::to_owned).collect();
        for (index, header) in signatures.0.iter().enumerate() {
            if !taken.insert(header.name.as_str().to_owned()) {
                return Err(Conflict::Signature(index));
            }
        }
        for (name, _) in &events.0 {
            if !taken.insert(name.as_str().to_owned()) {
                return Err(Conflict::Event(name.clone()));
            }
        }
        Ok(Self {
            prefixes,
            signatures,
            events,
        })
    }

    /// The headers of an attempt that starts at `at`. Schemes that allow several signatures
    /// get one for each of `secrets`, newest first; the others use the newest secret.
    #[must_use]
    pub fn of(
        &self,
        task: &DeliveryTask,
        at: Timestamp,
        body: &str,
        secrets: &[&SigningSecret],
    ) -> Vec<(&str, String)> {
        let facts = Facts::of(task, at, body);
        let mut headers = Vec::new();
        if !self.prefixes.is_empty() {
            let secrets = secrets.iter().copied();
            let signatures = sign_with_each(secrets, &facts.id, at, body.as_bytes());
            for prefix in &self.prefixes {
                let [id, timestamp, signature] = prefix.names();
                headers.push((id, facts.id.clone()));
                headers.push((timestamp, facts.timestamp.clone()));
                headers.push((signature, signatures.clone()));
            }
        }
        for header in &self.signatures.0 {
            headers.push((header.name.as_str(), header.render(&facts, secrets)));
        }
        for (name, template) in &self.events.0 {
            headers.push((name.as_str(), facts.fill(template, "")));
        }
        headers
    }
}

/// The values of the placeholders for one attempt.
struct Facts<'a> {
    id: String,
    r#type: &'a str,
    timestamp: String,
    attempt: String,
    app: String,
    endpoint: String,
    body: &'a str,
}

impl<'a> Facts<'a> {
    fn of(task: &'a DeliveryTask, at: Timestamp, body: &'a str) -> Self {
        Self {
            id: task.source.event_id().to_string(),
            r#type: task.event.as_str(),
            timestamp: at.as_second().to_string(),
            attempt: task.attempt.to_string(),
            app: task.endpoint.app_id.to_string(),
            endpoint: task.endpoint.endpoint_id.to_string(),
            body,
        }
    }

    /// The value of a placeholder, except for the signatures, which [`Self::fill`] takes.
    fn value(&self, placeholder: Placeholder) -> &str {
        match placeholder {
            Placeholder::App => &self.app,
            Placeholder::Attempt => &self.attempt,
            Placeholder::Body => self.body,
            Placeholder::Endpoint => &self.endpoint,
            Placeholder::Id => &self.id,
            Placeholder::Timestamp => &self.timestamp,
            Placeholder::Type => self.r#type,
            Placeholder::Signature | Placeholder::Signatures => "",
        }
    }

    /// Fills in a template. `signatures` replaces both placeholders for signatures; a template
    /// has at most one of them.
    fn fill(&self, template: &Template, signatures: &str) -> String {
        let value_of = |placeholder| match placeholder {
            Placeholder::Signature | Placeholder::Signatures => signatures,
            other => self.value(other),
        };
        template.pieces(value_of).collect()
    }
}
