//! Apps: the platform's customers. An app need not be made before it is used: a key
//! that the operator made for any id works. Making it gives it a name, and a place in
//! the list.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::id::AppId;
use super::json::Fields;

const MAX_NAME_CHARS: usize = 128;
const MAX_METADATA: usize = 20;
const MAX_METADATA_NAME_CHARS: usize = 40;
const MAX_METADATA_VALUE_CHARS: usize = 500;

/// Most keys that an app can have in use.
pub const MAX_KEYS_PER_APP: usize = 100;

/// What the platform notes about an app.
pub type Metadata = BTreeMap<String, String>;

/// An app that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The platform's own id of it.
    pub id: AppId,
    /// For people.
    pub name: Option<String>,
    /// For the platform.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Since when it is being deleted.
    pub deleted_at: Option<Timestamp>,
    /// How many endpoints it has. Zero in lists, which do not count them.
    pub endpoint_count: u32,
}

/// What is to be set. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppChange {
    /// The name, or `Some(None)` to have none.
    pub name: Option<Option<String>>,
    /// In place of all that was noted before.
    pub metadata: Option<Metadata>,
}

impl App {
    /// Whether it is in use.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self.deleted_at {
            None => "ACTIVE",
            Some(_) => "DELETING",
        }
    }
}

/// Reads an app's name, or a key's label that is not empty.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_name(text: &str) -> Result<String, &'static str> {
    let is_short = (1..=MAX_NAME_CHARS).contains(&text.chars().count());
    if !is_short || text.chars().any(char::is_control) {
        return Err("must be 1 to 128 characters without control characters");
    }
    Ok(text.to_owned())
}

/// Reads metadata from JSON.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_metadata(json: &str) -> Result<Metadata, &'static str> {
    const WRONG: &str = "must be an object of at most 20 strings of at most 500 characters, \
                         with different names of 1 to 40 characters";
    let fields: Fields = serde_json::from_str(json).map_err(|_| WRONG)?;
    if !fields.repeated.is_empty() || fields.values.len() > MAX_METADATA {
        return Err(WRONG);
    }
    let mut metadata = Metadata::new();
    for (name, value) in fields.values {
        let value: String = serde_json::from_str(value.get()).map_err(|_| WRONG)?;
        let fits = (1..=MAX_METADATA_NAME_CHARS).contains(&name.chars().count());
        if !fits || value.chars().count() > MAX_METADATA_VALUE_CHARS {
            return Err(WRONG);
        }
        metadata.insert(name, value);
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_limited() {
        for name in ["A", "Acme GmbH & Co. KG", &"é".repeat(128)] {
            assert_eq!(parse_name(name).as_deref(), Ok(name));
        }
        for name in ["", "a\nb", "a\u{85}b", &"é".repeat(129)] {
            assert!(parse_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn metadata_is_an_object_of_a_few_strings() {
        let read = parse_metadata(r#"{"plan": "pro", "region": ""}"#).unwrap();
        assert_eq!(read["plan"], "pro");
        assert_eq!(read["region"], "");
        let many = |count: usize| {
            let fields = (0..count).map(|n| format!(r#""n{n}": "{}""#, "é".repeat(500)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        };
        assert_eq!(parse_metadata(&many(20)).unwrap().len(), 20);
        for wrong in [
            "null",
            "[]",
            r#""a""#,
            r#"{"a": 1}"#,
            r#"{"a": null}"#,
            r#"{"a": "\ud800"}"#,
            r#"{"": "a"}"#,
            r#"{"a": "b", "a": "b"}"#,
            &format!(r#"{{"{}": "a"}}"#, "n".repeat(41)),
            &format!(r#"{{"a": "{}"}}"#, "v".repeat(501)),
            &many(21),
        ] {
            assert!(parse_metadata(wrong).is_err(), "{wrong}");
        }
    }
}
