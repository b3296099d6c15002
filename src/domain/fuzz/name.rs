//! Names, ids, secrets, labels and times. Every parser reads the same short text.

use secrecy::ExposeSecret;

use super::must;
use crate::domain::api_key::ApiKey;
use crate::domain::app::{parse_metadata, parse_name};
use crate::domain::channel::Channels;
use crate::domain::event_type::{EventPattern, EventType, MAX_EVENT_TYPE_BYTES, Subscriptions};
use crate::domain::id::{AppId, DeliveryId, EndpointId, EventId, SealingKeyId};
use crate::domain::labels::{parse_description, parse_endpoint_metadata};
use crate::domain::sealing::{PrivateKey, SealingKey};
use crate::domain::signing::{SecretFormat, SigningSecret};
use crate::domain::time;

pub(crate) fn run(text: &str) {
    ids(text);
    keys(text);
    secrets(text);
    labels(text);
    times(text);
    let lines: Vec<_> = text.split('\n').collect();
    event_types(&lines);
    channels(&lines);
}

fn ids(text: &str) {
    if let Ok(id) = EventId::parse(text) {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
        assert_eq!(EventId::from_bytes(*id.as_bytes()), id);
        assert_ne!(id, EventId::UNKNOWN);
        let delivery = must(DeliveryId::parse(text));
        let endpoint = must(EndpointId::parse(text));
        let at = must(time::parse("2026-01-31T09:30:00Z"));
        let made = DeliveryId::of_event(at, id, endpoint);
        assert_eq!(made, DeliveryId::of_event(at, id, endpoint));
        assert_eq!(DeliveryId::parse_or_unknown(text), delivery);
    }
    if let Ok(id) = AppId::parse(text) {
        assert_eq!(id.as_str(), text);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!((1..=64).contains(&text.len()) && text.chars().all(is_plain));
        let event = EventId::issue(id);
        assert!(event.issued(id).is_some());
        let keyed = EventId::of_idempotency_key(id, text);
        assert!(keyed.issued(id).is_some() && keyed != event);
    }
}

fn keys(text: &str) {
    if let Some(key) = ApiKey::parse(text) {
        assert_eq!(key.expose(), text);
        assert!(text.ends_with(&key.hint()) && key.hint().len() == 4);
        assert_eq!(ApiKey::parse(text).map(|key| key.hash()), Some(key.hash()));
    }
    if let Ok(key) = SealingKey::parse(SealingKeyId::UNKNOWN, text) {
        assert_eq!(key.public_text(), text);
    }
    if let Ok(key) = PrivateKey::parse(text) {
        assert_eq!(key.to_text().expose_secret(), text);
        assert_eq!(format!("{key:?}"), "PrivateKey([REDACTED])");
    }
}

fn secrets(text: &str) {
    for format in [SecretFormat::Standard, SecretFormat::Text] {
        let Ok(secret) = SigningSecret::parse(text, format) else {
            continue;
        };
        assert_eq!(secret.to_text().expose_secret(), text);
        let stored = secret.to_stored();
        let again = must(SigningSecret::parse_stored(stored.expose_secret()));
        assert_eq!((again.key(), again.format()), (secret.key(), format));
        assert_eq!(format!("{secret:?}"), "SigningSecret([REDACTED])");
    }
    if let Ok(secret) = SigningSecret::parse_stored(text) {
        assert_eq!(secret.to_stored().expose_secret(), text);
    }
}

fn labels(text: &str) {
    if let Ok(name) = parse_name(text) {
        assert_eq!(name, text);
        assert!(!text.contains('\n') && must(parse_description(text)) == text);
    }
    if let Ok(metadata) = parse_metadata(text) {
        let json = must(serde_json::to_string(&metadata));
        assert_eq!(parse_metadata(&json), Ok(metadata));
    }
    if let Ok(metadata) = parse_endpoint_metadata(text) {
        let json = must(serde_json::to_string(&metadata));
        assert_eq!(parse_endpoint_metadata(&json).as_ref(), Ok(&metadata));
        assert_eq!(parse_metadata(&json), Ok(metadata));
    }
}

fn times(text: &str) {
    if let Ok(at) = time::parse(text) {
        let shown = time::iso_millis(at);
        assert_eq!(shown.len(), "2026-01-31T09:30:00.000Z".len());
        assert_eq!(time::parse(&shown), Ok(at));
        assert_eq!(time::whole_millis(at), at);
    }
}

/// Each line may be a pattern, an event type, or both.
fn event_types(lines: &[&str]) {
    let types: Vec<_> = lines
        .iter()
        .filter_map(|line| EventType::parse(line).ok())
        .collect();
    for event_type in &types {
        let text = event_type.as_str();
        assert!(text.len() <= MAX_EVENT_TYPE_BYTES);
        assert!(EventPattern::parse(text).is_ok_and(|pattern| pattern.matches(event_type)));
        let is_ping = *event_type == EventType::test_ping();
        assert_eq!(EventType::parse_published(text).is_err(), is_ping);
    }
    for line in lines {
        if let Ok(pattern) = EventPattern::parse(line) {
            assert_eq!(pattern.as_str(), *line);
            for event_type in &types {
                assert_eq!(
                    pattern.matches(event_type),
                    matches(line, event_type.as_str())
                );
            }
        }
    }
    if let Ok(list) = Subscriptions::parse("events", lines.iter().copied()) {
        let mut known = lines.iter().copied();
        assert!(list.iter().all(|pattern| known.any(|line| line == pattern)));
        for event_type in &types {
            let expected = lines.iter().any(|line| matches(line, event_type.as_str()));
            assert_eq!(list.matches(event_type), expected);
        }
    }
}

/// Whether a pattern matches, computed by segments and not as the code does it.
fn matches(pattern: &str, event_type: &str) -> bool {
    let segments: Vec<_> = event_type.split('.').collect();
    let pattern: Vec<_> = pattern.split('.').collect();
    match pattern.split_last() {
        Some((&"*", first)) => segments.len() > first.len() && segments.starts_with(first),
        _ => segments == pattern,
    }
}

fn channels(lines: &[&str]) {
    let Ok(channels) = Channels::parse("channels", lines.iter().copied()) else {
        return;
    };
    assert!((1..=10).contains(&channels.iter().len()));
    assert!(channels.meet(&channels));
    let mut known = lines.iter();
    assert!(
        channels
            .iter()
            .all(|channel| known.any(|line| *line == channel))
    );
    assert_eq!(
        Channels::parse("channels", channels.iter()).as_ref(),
        Ok(&channels)
    );
}
