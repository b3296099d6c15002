//! Apps: the platform's customers. An app need not be made before it is used: a key
//! that the operator made for any id works. Making it gives it a name, and a place in
//! the list.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::id::AppId;
use super::json::Fields;
use super::validation::{FieldError, shortened};

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

/// Reads an app's metadata from JSON.
///
/// # Errors
/// Everything that is wrong with it. An error in one pair is one of the field `metadata.<name>`.
pub fn parse_metadata(json: &str) -> Result<Metadata, Vec<FieldError>> {
    parse_pairs(json, |name| match has_length(name) {
        true => Ok(()),
        false => Err("must have a name of 1 to 40 characters"),
    })
}

/// Whether a name of metadata is neither empty nor too long.
pub(super) fn has_length(name: &str) -> bool {
    (1..=MAX_METADATA_NAME_CHARS).contains(&name.chars().count())
}

/// Reads metadata whose names satisfy `check_name`.
pub(super) fn parse_pairs(
    json: &str,
    check_name: impl Fn(&str) -> Result<(), &'static str>,
) -> Result<Metadata, Vec<FieldError>> {
    const OBJECT: &str = "must be an object of at most 20 names and values";
    const VALUE: &str = "must be a string of at most 500 characters";
    let whole = || vec![FieldError::new("metadata", OBJECT)];
    let fields: Fields = serde_json::from_str(json).map_err(|_| whole())?;
    // Checked before the pairs, so that a long list of them is one error, not thousands.
    if fields.values.len() > MAX_METADATA {
        return Err(whole());
    }
    let (mut metadata, mut faults) = (Metadata::new(), Vec::new());
    for (name, value) in fields.values {
        let field = format!("metadata.{}", shortened(name.clone()));
        if let Err(message) = check_name(&name) {
            faults.push(FieldError::new(&field, message));
        }
        if fields.repeated.contains(&name) {
            faults.push(FieldError::new(&field, "must not be repeated"));
        }
        match serde_json::from_str::<String>(value.get()) {
            Ok(value) if value.chars().count() <= MAX_METADATA_VALUE_CHARS => {
                metadata.insert(name, value);
            }
            _ => faults.push(FieldError::new(field, VALUE)),
        }
    }
    match faults.is_empty() {
        true => Ok(metadata),
        false => Err(faults),
    }
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
        let long_name = "n".repeat(41);
        for (wrong, field) in [
            ("null", "metadata"),
            ("[]", "metadata"),
            (r#""a""#, "metadata"),
            (&many(21), "metadata"),
            (r#"{"a": 1}"#, "metadata.a"),
            (r#"{"a": null}"#, "metadata.a"),
            (r#"{"a": "\ud800"}"#, "metadata.a"),
            (r#"{"": "a"}"#, "metadata."),
            (r#"{"a": "b", "a": "b"}"#, "metadata.a"),
            (
                &format!(r#"{{"{long_name}": "a"}}"#),
                &format!("metadata.{long_name}"),
            ),
            (&format!(r#"{{"a": "{}"}}"#, "v".repeat(501)), "metadata.a"),
        ] {
            let errors = parse_metadata(wrong).unwrap_err();
            let fields: Vec<_> = errors.iter().map(|error| &error.field).collect();
            assert_eq!(fields, [field], "{wrong}");
        }
    }

    #[test]
    fn every_wrong_pair_of_metadata_is_named() {
        let long_name = "é".repeat(150);
        let json = format!(r#"{{"a": 1, "a": 2, "b": "c", "{long_name}": "", "z": []}}"#);
        let errors = parse_metadata(&json).unwrap_err();
        let shortened = format!("metadata.{}…", "é".repeat(100));
        assert_eq!(
            errors,
            [
                ("metadata.a", "must not be repeated"),
                ("metadata.a", "must be a string of at most 500 characters"),
                ("metadata.z", "must be a string of at most 500 characters"),
                (&shortened, "must have a name of 1 to 40 characters"),
            ]
            .map(|(field, message)| FieldError::new(field, message))
        );
    }
}
