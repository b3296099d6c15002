//! The headers that tell a receiver what a delivery is, and that it is authentic: those
//! of Standard Webhooks, and those that an operator adds for receivers that were written
//! for another scheme.

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

/// The headers of all deliveries of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookHeaders {
    /// The prefixes under which the headers of Standard Webhooks are sent.
    prefixes: Vec<HeaderPrefix>,
    signatures: SignatureHeaders,
    events: EventHeaders,
}

/// Why settings that are sound by themselves can't be combined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// The signature header with this index has the name of another header.
    Signature(usize),
    /// The event header of this name has the name of another header.
    Event(HeaderName),
    /// No header has a signature.
    Unsigned,
}

impl Default for WebhookHeaders {
    /// Standard Webhooks, and nothing else.
    fn default() -> Self {
        Self {
            prefixes: vec![HeaderPrefix::default()],
            signatures: SignatureHeaders::default(),
            events: EventHeaders::default(),
        }
    }
}

impl WebhookHeaders {
    /// Combines settings. `standard` is whether to send `webhook-id`, `webhook-timestamp`
    /// and `webhook-signature`. With another prefix, they are sent by its names as well.
    ///
    /// # Errors
    /// If two headers have the same name, or none has a signature.
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

    /// The headers of an attempt that starts at `at`, each with its value. Signed with
    /// every one of `secrets`, newest first, where the scheme has a place for all.
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

/// What placeholders stand for in one attempt.
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

    /// Signatures are not among them.
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

    /// The text of a template in which the signatures are these.
    fn fill(&self, template: &Template, signatures: &str) -> String {
        let value_of = |placeholder| match placeholder {
            Placeholder::Signature | Placeholder::Signatures => signatures,
            other => self.value(other),
        };
        template.pieces(value_of).collect()
    }
}
