//! Descriptions and metadata of endpoints. The service does not interpret them.

use super::app::{Metadata, has_length, parse_pairs};
use super::validation::FieldError;

const MAX_DESCRIPTION_CHARS: usize = 500;

/// Maximum size of names and values together, in bytes. Every event reads all of its app's
/// endpoints, and DynamoDB charges reads by size.
const MAX_METADATA_BYTES: usize = 2 * 1024;

/// The description and metadata of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// A note for people.
    pub description: Option<String>,
    /// The platform's notes.
    pub metadata: Metadata,
}

/// Parses a description.
///
/// # Errors
/// A message for the caller.
pub fn parse_description(text: &str) -> Result<String, &'static str> {
    let is_allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    let has_length = (1..=MAX_DESCRIPTION_CHARS).contains(&text.chars().count());
    if !has_length || !text.chars().all(is_allowed) {
        return Err(
            "must be 1 to 500 characters, without control characters other than tabs and \
             line breaks",
        );
    }
    Ok(text.to_owned())
}

/// Parses an endpoint's metadata from JSON. Null is the same as an empty object.
///
/// # Errors
/// All errors. The field of an error in one entry is `metadata.<name>`.
pub fn parse_endpoint_metadata(json: &str) -> Result<Metadata, Vec<FieldError>> {
    const NAME: &str =
        "must have a name of 1 to 40 letters, digits, full stops, hyphens and underscores";
    const TOO_LARGE: &str = "must be at most 2,048 bytes in all";
    if json == "null" {
        return Ok(Metadata::new());
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let metadata = parse_pairs(json, |name| {
        match has_length(name) && name.bytes().all(is_allowed) {
            true => Ok(()),
            false => Err(NAME),
        }
    })?;
    let bytes = metadata
        .iter()
        .map(|(name, value)| name.len() + value.len());
    match bytes.sum::<usize>() > MAX_METADATA_BYTES {
        true => Err(vec![FieldError::new("metadata", TOO_LARGE)]),
        false => Ok(metadata),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_have_1_to_500_characters() {
        for text in ["Billing", "Two\r\n\tlines", &"é".repeat(500)] {
            assert_eq!(parse_description(text).as_deref(), Ok(text));
        }
        for text in ["", "a\0", "a\u{85}", &"é".repeat(501)] {
            assert!(parse_description(text).is_err(), "{text}");
        }
    }

    #[test]
    fn metadata_is_limited_to_2_kib() {
        let none = Ok(Metadata::new());
        assert_eq!(parse_endpoint_metadata("null"), none);
        assert_eq!(parse_endpoint_metadata("{}"), none);
        let read = parse_endpoint_metadata(r#"{"crm.id": "é 1", "a_B-9": ""}"#).unwrap();
        assert_eq!(read["crm.id"], "é 1");
        let of_bytes = |bytes: usize| {
            let (one, rest) = ("x".repeat(498), "x".repeat(bytes - 4 * 500 - 2));
            format!(
                r#"{{"n1": "{one}", "n2": "{one}", "n3": "{one}", "n4": "{one}", "n5": "{rest}"}}"#
            )
        };
        assert!(parse_endpoint_metadata(&of_bytes(2_048)).is_ok());
        for (wrong, field) in [
            ("[]", "metadata"),
            (&of_bytes(2_049), "metadata"),
            (r#"{"a b": "c"}"#, "metadata.a b"),
            (r#"{"é": "c"}"#, "metadata.é"),
            (r#"{"": "c"}"#, "metadata."),
            (r#"{"a": 1}"#, "metadata.a"),
        ] {
            let errors = parse_endpoint_metadata(wrong).unwrap_err();
            let fields: Vec<_> = errors.iter().map(|error| &error.field).collect();
            assert_eq!(fields, [field], "{wrong}");
        }
    }
}
