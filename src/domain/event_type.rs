//! Event types, and the patterns by which endpoints subscribe to them.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::validation::FieldError;

/// Maximum length of an event type or a pattern, in bytes.
pub const MAX_EVENT_TYPE_BYTES: usize = 128;
/// The most patterns that an endpoint can have.
pub const MAX_SUBSCRIPTIONS: usize = 100;

/// An event type such as `invoice.paid`: segments of `[A-Za-z0-9_-]+` separated by
/// full stops, at most [`MAX_EVENT_TYPE_BYTES`] long (Standard Webhooks, "Event
/// types").
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EventType(String);

impl From<EventType> for String {
    fn from(event_type: EventType) -> Self {
        event_type.0
    }
}

impl TryFrom<String> for EventType {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::parse(&text)
    }
}

impl EventType {
    /// The event type of test pings.
    #[must_use]
    pub fn test_ping() -> Self {
        Self::named("test.ping")
    }

    /// Wraps a literal that is a valid event type.
    pub(super) fn named(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// Parses an event type.
    ///
    /// # Errors
    /// Returns a message for the caller.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        check_length(text)?;
        if text.split('.').all(is_segment) {
            Ok(Self(text.to_owned()))
        } else {
            Err(SEGMENTS)
        }
    }

    /// Parses the type of an event to publish.
    ///
    /// # Errors
    /// Returns a message for the caller. The type of test pings is reserved.
    pub fn parse_published(text: &str) -> Result<Self, &'static str> {
        match Self::parse(text)? {
            ping if ping == Self::test_ping() => Err("test.ping is reserved for test pings"),
            event_type => Ok(event_type),
        }
    }

    /// The event type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A subscription pattern: an event type, `*` for all types, or a prefix such as `invoice.*`,
/// which matches every type below `invoice` but not `invoice` itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventPattern(String);

impl EventPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// Returns a message for the caller.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        check_length(text)?;
        let named = match text.strip_suffix('*') {
            Some("") => return Ok(Self(text.to_owned())),
            Some(prefix) => prefix.strip_suffix('.').ok_or(WILDCARD)?,
            None => text,
        };
        if named.contains('*') {
            Err(WILDCARD)
        } else if named.split('.').all(is_segment) {
            Ok(Self(text.to_owned()))
        } else {
            Err(SEGMENTS)
        }
    }

    /// Whether the pattern matches `event_type`.
    #[must_use]
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self.0.strip_suffix('*') {
            // The prefix keeps its full stop, so `invoice.*` can't match `invoices.paid`.
            Some(prefix) => event_type.0.starts_with(prefix),
            None => self.0 == event_type.0,
        }
    }

    /// The pattern as the caller wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The patterns of one endpoint: 1 to [`MAX_SUBSCRIPTIONS`], without duplicates, in
/// the order of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriptions(Vec<EventPattern>);

impl Subscriptions {
    /// Parses patterns and drops duplicates. Errors refer to the list as `field`.
    ///
    /// # Errors
    /// Returns all errors: those of the list, and those of each pattern with its
    /// index.
    pub fn parse<'a>(
        field: &str,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Vec<FieldError>> {
        let mut patterns = Vec::new();
        let mut seen = HashSet::new();
        let mut errors = Vec::new();
        for (index, text) in texts.into_iter().enumerate() {
            match EventPattern::parse(text) {
                Ok(pattern) if seen.insert(text) => patterns.push(pattern),
                Ok(_) => {}
                Err(message) => {
                    errors.push(FieldError::new(format!("{field}[{index}]"), message));
                }
            }
        }
        if patterns.len() > MAX_SUBSCRIPTIONS || (patterns.is_empty() && errors.is_empty()) {
            errors.push(FieldError::new(field, LIST));
        }
        if errors.is_empty() {
            Ok(Self(patterns))
        } else {
            Err(errors)
        }
    }

    /// Whether any pattern matches `event_type`.
    #[must_use]
    pub fn matches(&self, event_type: &EventType) -> bool {
        self.0.iter().any(|pattern| pattern.matches(event_type))
    }

    /// The patterns in the order of the request.
    #[must_use]
    pub fn patterns(&self) -> &[EventPattern] {
        &self.0
    }

    /// The patterns as text.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(EventPattern::as_str)
    }
}

const SEGMENTS: &str = "must be segments of letters, digits, _ and -, separated by full stops";
const WILDCARD: &str = "may contain * only by itself or as the last segment, as in invoice.*";
const LIST: &str = "must have 1 to 100 different event types";

fn check_length(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_EVENT_TYPE_BYTES {
        Err("must be at most 128 bytes")
    } else {
        Ok(())
    }
}

fn is_segment(segment: &str) -> bool {
    !segment.is_empty()
        && segment
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_event_types_and_patterns_parse() {
        for good in ["a", "invoice.paid", "A_b-9.c.d", &"x".repeat(128)] {
            assert!(EventType::parse(good).is_ok(), "{good}");
            assert!(EventPattern::parse(good).is_ok(), "{good}");
        }
        for good in ["*", "invoice.*", "a.b.*"] {
            assert!(EventPattern::parse(good).is_ok(), "{good}");
            assert!(EventType::parse(good).is_err(), "{good}");
        }
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a b",
            "é",
            "a*",
            "*.a",
            "a.*.b",
            "**",
            "a.**",
            "*a",
            ".*",
            &"x".repeat(129),
        ] {
            assert!(EventPattern::parse(bad).is_err(), "{bad}");
            assert!(EventType::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_match_a_type_a_prefix_or_everything() {
        let paid = EventType::parse("invoice.paid").unwrap();
        let matches = |pattern| EventPattern::parse(pattern).unwrap().matches(&paid);
        assert!(matches("*") && matches("invoice.*") && matches("invoice.paid"));
        assert!(!matches("invoice") && !matches("inv.*") && !matches("invoice.paid.*"));
        let invoice = EventType::parse("invoice").unwrap();
        assert!(!EventPattern::parse("invoice.*").unwrap().matches(&invoice));
        let invoices = EventType::parse("invoices.paid").unwrap();
        assert!(!EventPattern::parse("invoice.*").unwrap().matches(&invoices));
    }

    #[test]
    fn subscriptions_keep_order_and_drop_duplicates() {
        let list = Subscriptions::parse("events", ["b", "a", "b", "a.*"]).unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), ["b", "a", "a.*"]);
    }

    #[test]
    fn lists_need_1_to_100_different_patterns() {
        assert!(Subscriptions::parse("events", []).is_err());
        let many: Vec<String> = (0..101).map(|n| format!("e{n}")).collect();
        let texts = || many.iter().map(String::as_str);
        assert!(Subscriptions::parse("events", texts().take(100)).is_ok());
        assert!(Subscriptions::parse("events", texts().take(100).chain(["e1"])).is_ok());
        let errors = Subscriptions::parse("events", texts()).unwrap_err();
        assert_eq!(errors, [FieldError::new("events", LIST)]);
    }

    #[test]
    fn errors_name_the_index_of_each_invalid_pattern() {
        let errors = Subscriptions::parse("events", ["ok", "a b", "*x"]).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["events[1]", "events[2]"]);
    }
}
