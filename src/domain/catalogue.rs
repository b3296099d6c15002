//! The catalogue: the event types that the platform publishes, described for its
//! customers. It belongs to the platform and is the same for all apps.

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

/// Most types that the catalogue holds.
pub const MAX_TYPES: usize = 1_000;

const MAX_DESCRIPTION_CHARS: usize = 1_000;
const MAX_GROUP_CHARS: usize = 64;

/// A type of the catalogue. As JSON, it is what the API shows.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueType {
    /// The type itself.
    pub name: EventType,
    /// What the platform says about it.
    #[serde(flatten)]
    pub details: TypeDetails,
    /// When it was added.
    #[serde(with = "super::time::serde_millis")]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(with = "super::time::serde_millis")]
    pub updated_at: Timestamp,
}

/// What the platform says about an event type.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TypeDetails {
    /// For people.
    pub description: String,
    /// JSON Schema of the data of its events, as it was written.
    pub schema: Option<Box<RawValue>>,
    /// Data that an event of this type could have, as it was written.
    pub example: Option<Box<RawValue>>,
    /// The heading that lists show it under.
    pub group: Option<String>,
    /// Whether new subscriptions should avoid it. It works as before.
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

    /// Whether the pattern can match anything: `*`, a type of the catalogue, or a prefix
    /// with a type of the catalogue under it.
    #[must_use]
    pub fn has_any_of(&self, pattern: &EventPattern) -> bool {
        match pattern.as_str().strip_suffix('*') {
            Some("") => true,
            Some(prefix) => {
                let from = (Bound::Included(prefix), Bound::Unbounded);
                let mut under = self.0.range::<str, _>(from);
                under.next().is_some_and(|name| name.starts_with(prefix))
            }
            None => self.0.contains(pattern.as_str()),
        }
    }
}

/// Reads a description.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_description(text: &str) -> Result<String, &'static str> {
    let is_allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    if text.chars().count() > MAX_DESCRIPTION_CHARS || !text.chars().all(is_allowed) {
        return Err(
            "must be at most 1,000 characters, and have no control characters but tabs and \
             line breaks",
        );
    }
    Ok(text.to_owned())
}

/// Reads the name of a group.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_group(text: &str) -> Result<String, &'static str> {
    let is_short = (1..=MAX_GROUP_CHARS).contains(&text.chars().count());
    if !is_short || text.chars().any(char::is_control) {
        return Err("must be 1 to 64 characters without control characters");
    }
    Ok(text.to_owned())
}

/// Reads the first part of a type's name, which may end anywhere.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_prefix(text: &str) -> Result<String, &'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if text.len() > super::event_type::MAX_EVENT_TYPE_BYTES || !text.bytes().all(is_allowed) {
        return Err("must be at most 128 letters, digits, full stops, hyphens and underscores");
    }
    Ok(text.to_owned())
}

/// Reads a schema. Null is none.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_schema(json: Box<RawValue>) -> Result<Option<Box<RawValue>>, Cow<'static, str>> {
    let Some(json) = parse_example(json)? else {
        return Ok(None);
    };
    schema::check(&json)?;
    Ok(Some(json))
}

/// Reads an example: any JSON that an event's data can be, of which null is none.
///
/// Of an object that repeats a name, parsers keep different values, so people would be
/// shown another example than is sent.
///
/// # Errors
/// A sentence that says what is allowed.
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
    fn names_answer_for_types_and_patterns() {
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
    fn texts_are_limited() {
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
    fn examples_are_kept_as_written() {
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
        // Too deep for RawValue's own parser as well, which has no limit.
        assert!(parse_example(raw(&nested(10_000))).is_err());
    }
}
