//! The catalogue: the platform's event types, described for its customers. All apps share it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Bound;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::event::MAX_NESTING;
use super::event_type::{EventPattern, EventType};
use super::json::{nesting, repeats_a_name};
use super::schema;

/// The most types that the catalogue can have.
pub const MAX_TYPES: usize = 1_000;

const MAX_DESCRIPTION_CHARS: usize = 1_000;
const MAX_GROUP_CHARS: usize = 64;

/// A type of the catalogue. Its JSON is what the API returns.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueType {
    /// The event type.
    pub name: EventType,
    /// The platform's description of it.
    #[serde(flatten)]
    pub details: TypeDetails,
    /// When the type was added.
    #[serde(with = "super::time::serde_millis")]
    pub created_at: Timestamp,
    /// When the type was last changed.
    #[serde(with = "super::time::serde_millis")]
    pub updated_at: Timestamp,
}

/// The platform's description of an event type.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TypeDetails {
    /// A text for people. May be empty.
    pub description: String,
    /// A JSON Schema of the data, byte for byte.
    pub schema: Option<Box<RawValue>>,
    /// Example data, byte for byte.
    pub example: Option<Box<RawValue>>,
    /// The heading under which lists show the type.
    pub group: Option<String>,
    /// Whether new subscriptions should avoid the type. Existing ones keep working.
    pub deprecated: bool,
}

/// The names of all types of the catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeNames(BTreeSet<String>);

impl FromIterator<String> for TypeNames {
    fn from_iter<T: IntoIterator<Item = String>>(names: T) -> Self {
        Self(names.into_iter().collect())
    }
}

impl TypeNames {
    /// Whether the catalogue has this type.
    #[must_use]
    pub fn has(&self, event_type: &EventType) -> bool {
        self.0.contains(event_type.as_str())
    }

    /// Whether the pattern matches any type of the catalogue. `*` always counts as a match.
    #[must_use]
    pub fn has_any_of(&self, pattern: &EventPattern) -> bool {
        match pattern.as_str().strip_suffix('*') {
            Some("") => true,
            Some(prefix) => {
                // If any name has the prefix, the first one at or after it does.
                let from = (Bound::Included(prefix), Bound::Unbounded);
                let mut under = self.0.range::<str, _>(from);
                under.next().is_some_and(|name| name.starts_with(prefix))
            }
            None => self.0.contains(pattern.as_str()),
        }
    }
}

/// Parses a description.
///
/// # Errors
/// A message for the caller.
pub fn parse_description(text: &str) -> Result<String, &'static str> {
    let is_allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    if text.chars().count() > MAX_DESCRIPTION_CHARS || !text.chars().all(is_allowed) {
        return Err(
            "must be at most 1,000 characters, without control characters other than tabs and \
             line breaks",
        );
    }
    Ok(text.to_owned())
}

/// Parses the name of a group.
///
/// # Errors
/// A message for the caller.
pub fn parse_group(text: &str) -> Result<String, &'static str> {
    let is_short = (1..=MAX_GROUP_CHARS).contains(&text.chars().count());
    if !is_short || text.chars().any(char::is_control) {
        return Err("must be 1 to 64 characters without control characters");
    }
    Ok(text.to_owned())
}

/// Parses a prefix by which to list types. It may end within a segment.
///
/// # Errors
/// A message for the caller.
pub fn parse_prefix(text: &str) -> Result<String, &'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if text.len() > super::event_type::MAX_EVENT_TYPE_BYTES || !text.bytes().all(is_allowed) {
        return Err("must be at most 128 letters, digits, full stops, hyphens and underscores");
    }
    Ok(text.to_owned())
}

/// Parses a schema. Null means none.
///
/// # Errors
/// A message for the caller.
pub fn parse_schema(json: Box<RawValue>) -> Result<Option<Box<RawValue>>, Cow<'static, str>> {
    let Some(json) = parse_example(json)? else {
        return Ok(None);
    };
    schema::check(&json)?;
    Ok(Some(json))
}

/// Parses an example, which can be any JSON that events can have as data. Null means none.
///
/// Objects that repeat a name are rejected. Parsers disagree about which of the values counts,
/// so the portal could show another example than a test ping sends.
///
/// # Errors
/// A message for the caller.
pub fn parse_example(json: Box<RawValue>) -> Result<Option<Box<RawValue>>, &'static str> {
    if nesting(json.get()) > MAX_NESTING {
        return Err("must be nested at most 128 deep");
    }
    if repeats_a_name(&json) {
        return Err("must not have objects that repeat a name, or have one that is not Unicode");
    }
    Ok((json.get() != "null").then_some(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn type_names_know_types_and_patterns() {
        let names = ["invoice.paid", "invoices.sent", "order", "order-x.y"];
        let names: TypeNames = names.map(str::to_owned).into_iter().collect();
        for (pattern, known) in [
            ("*", true),
            ("invoice.paid", true),
            ("invoice.*", true),
            ("invoices.*", true),
            ("order", true),
            ("invoice", false),
            ("invoice.pai", false),
            ("inv.*", false),
            ("order.*", false),
            ("order-x.*", true),
            ("z.*", false),
        ] {
            let found = names.has_any_of(&EventPattern::parse(pattern).unwrap());
            assert_eq!(found, known, "{pattern}");
            if let Ok(event_type) = EventType::parse(pattern) {
                assert_eq!(names.has(&event_type), known, "{pattern}");
            }
        }
        let none = TypeNames::default();
        assert!(none.has_any_of(&EventPattern::parse("*").unwrap()));
        assert!(!none.has_any_of(&EventPattern::parse("a.*").unwrap()));
    }

    #[test]
    fn descriptions_groups_and_prefixes_are_limited() {
        for good in ["", "Two\nlines\r\n\tand a tab", &"é".repeat(1_000)] {
            assert_eq!(parse_description(good).as_deref(), Ok(good));
        }
        for bad in ["\0", "a\u{7f}", &"é".repeat(1_001)] {
            assert!(parse_description(bad).is_err(), "{bad:.9}");
        }
        for good in ["Billing", &"é".repeat(64)] {
            assert_eq!(parse_group(good).as_deref(), Ok(good));
        }
        for bad in ["", "a\nb", &"é".repeat(65)] {
            assert!(parse_group(bad).is_err(), "{bad:.9}");
        }
        for good in ["", "invoice.", ".", &"x".repeat(128)] {
            assert_eq!(parse_prefix(good).as_deref(), Ok(good));
        }
        for bad in ["*", "a b", "é", "a#", "a\n", &"x".repeat(129)] {
            assert!(parse_prefix(bad).is_err(), "{bad:.9}");
        }
    }

    #[test]
    fn examples_keep_their_bytes() {
        for good in [
            "1e2",
            r#""\ud800""#,
            r#"{"a": [ 1 ]}"#,
            "12345678901234567890.10",
        ] {
            let read = parse_example(raw(good)).unwrap().unwrap();
            assert_eq!(read.get(), good);
        }
        assert!(parse_example(raw("null")).unwrap().is_none());
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(parse_example(raw(&nested(128))).is_ok());
        for bad in [
            nested(129),
            r#"{"a":1,"\u0061":2}"#.to_owned(),
            r#"[{"a":{"b":1,"b":2}}]"#.to_owned(),
            r#"{"\ud800":1}"#.to_owned(),
        ] {
            assert!(parse_example(raw(&bad)).is_err(), "{bad:.30}");
            assert!(parse_schema(raw(&bad)).is_err(), "{bad:.30}");
        }
        // `RawValue` itself has no limit, so this gets as far as our own check.
        assert!(parse_example(raw(&nested(10_000))).is_err());
    }
}
