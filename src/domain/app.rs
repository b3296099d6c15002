//! Apps: the platform's customers. An app need not be created before it is used, because the
//! operator can make a key for any id. Creating it gives it a name and puts it on the list.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::id::AppId;
use super::json::Fields;
use super::validation::{FieldError, shortened};

const MAX_NAME_CHARS: usize = 128;
const MAX_METADATA: usize = 20;
const MAX_METADATA_NAME_CHARS: usize = 40;
const MAX_METADATA_VALUE_CHARS: usize = 500;

/// The most valid keys that an app can have.
pub const MAX_KEYS_PER_APP: usize = 100;

/// Entries by name, chosen by the platform. The service does not interpret them.
pub type Metadata = BTreeMap<String, String>;

/// An app that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The id that the platform chose.
    pub id: AppId,
    /// A name for people.
    pub name: Option<String>,
    /// The platform's notes.
    pub metadata: Metadata,
    /// When the app was created.
    pub created_at: Timestamp,
    /// When the app was last changed.
    pub updated_at: Timestamp,
    /// When the deletion was requested, which continues in the background.
    pub deleted_at: Option<Timestamp>,
    /// How many endpoints the app has. Zero in lists, which do not count them.
    pub endpoint_count: u32,
}

/// A partial update of an app. `None` leaves a field unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppChange {
    /// The new name. `Some(None)` removes it.
    pub name: Option<Option<String>>,
    /// The new metadata, which replaces all existing entries.
    pub metadata: Option<Metadata>,
}

impl App {
    /// The status that the API shows.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self.deleted_at {
            None => "ACTIVE",
            Some(_) => "DELETING",
        }
    }
}

/// Parses the name of an app, or a non-empty label of a key.
///
/// # Errors
/// A message for the caller.
pub fn parse_name(text: &str) -> Result<String, &'static str> {
    let is_short = (1..=MAX_NAME_CHARS).contains(&text.chars().count());
    if !is_short || text.chars().any(char::is_control) {
        return Err("must be 1 to 128 characters without control characters");
    }
    Ok(text.to_owned())
}

/// Parses an app's metadata from JSON.
///
/// # Errors
/// All errors. The field of an error in one entry is `metadata.<name>`.
pub fn parse_metadata(json: &str) -> Result<Metadata, Vec<FieldError>> {
    parse_pairs(json, |name| match has_length(name) {
        true => Ok(()),
        false => Err("must have a name of 1 to 40 characters"),
    })
}

/// Whether the name of an entry is neither empty nor too long.
pub(super) fn has_length(name: &str) -> bool {
    (1..=MAX_METADATA_NAME_CHARS).contains(&name.chars().count())
}

/// Parses metadata whose names pass `check_name`.
pub(super) fn parse_pairs(
    json: &str,
    check_name: impl Fn(&str) -> Result<(), &'static str>,
) -> Result<Metadata, Vec<FieldError>> {
    const OBJECT: &str = "must be an object of at most 20 names and values";
    const VALUE: &str = "must be a string of at most 500 characters";
    let whole = || vec![FieldError::new("metadata", OBJECT)];
    let fields: Fields = serde_json::from_str(json).map_err(|_| whole())?;
    // Checked before the entries, so that thousands of them cause only one error.
    if fields.values.len() > MAX_METADATA {
        return Err(whole());
    }
    let (mut metadata, mut errors) = (Metadata::new(), Vec::new());
    for (name, value) in fields.values {
        let field = format!("metadata.{}", shortened(name.clone()));
        if let Err(message) = check_name(&name) {
            errors.push(FieldError::new(&field, message));
        }
        if fields.repeated.contains(&name) {
            errors.push(FieldError::new(&field, "must not be repeated"));
        }
        match serde_json::from_str::<String>(value.get()) {
            Ok(value) if value.chars().count() <= MAX_METADATA_VALUE_CHARS => {
                metadata.insert(name, value);
            }
            _ => errors.push(FieldError::new(field, VALUE)),
        }
    }
    match errors.is_empty() {
        true => Ok(metadata),
        false => Err(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_1_to_128_printable_characters() {
        for name in ["A", "Acme GmbH & Co. KG", &"é".repeat(128)] {
            assert_eq!(parse_name(name).as_deref(), Ok(name));
        }
        for name in ["", "a\nb", "a\u{85}b", &"é".repeat(129)] {
            assert!(parse_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn metadata_is_an_object_of_up_to_20_strings() {
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
    fn every_invalid_entry_is_reported() {
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
