//! The headers that sign and identify deliveries.

use super::ConfigError;
use super::variables::{Lookup, flag, parsed};
use crate::domain::validation::FieldError;
use crate::domain::webhook_headers::{Conflict, WebhookHeaders};

const SIGNATURE_HEADERS: &str = "SIGNATURE_HEADERS";
const EVENT_HEADERS: &str = "EVENT_HEADERS";

/// Reads `STANDARD_HEADERS`, `HEADER_PREFIX`, `SIGNATURE_HEADERS` and `EVENT_HEADERS`
/// through `lookup`.
///
/// # Errors
/// If one is invalid, or they can't be combined.
pub fn read_webhook_headers(lookup: Lookup<'_>) -> Result<WebhookHeaders, ConfigError> {
    let standard = flag(lookup, "STANDARD_HEADERS", true)?;
    let prefix = parsed(lookup, "HEADER_PREFIX")?.unwrap_or_default();
    let signatures = json(SIGNATURE_HEADERS, lookup)?;
    let events = json(EVENT_HEADERS, lookup)?;
    let second = |name, place: String| ConfigError::Flawed {
        name,
        flaw: format!("{place} must not be the name of two headers"),
    };
    WebhookHeaders::new(standard, prefix, signatures, events).map_err(|conflict| match conflict {
        Conflict::Signature(index) => second(SIGNATURE_HEADERS, format!("[{index}].header")),
        Conflict::Event(name) => second(EVENT_HEADERS, name.to_string()),
        Conflict::Unsigned => ConfigError::Invalid {
            name: "STANDARD_HEADERS",
            value: "false".to_owned(),
            takes: "true unless HEADER_PREFIX or SIGNATURE_HEADERS adds a signature".to_owned(),
        },
    })
}

/// A variable with JSON. Errors name the place in it.
fn json<T: std::str::FromStr<Err = FieldError> + Default>(
    name: &'static str,
    lookup: Lookup<'_>,
) -> Result<T, ConfigError> {
    let text = lookup(name).unwrap_or_default();
    text.parse().map_err(|error: FieldError| {
        let flaw = match error.field.is_empty() {
            true => error.message.into_owned(),
            false => format!("{} {}", error.field, error.message),
        };
        ConfigError::Flawed { name, flaw }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<WebhookHeaders, ConfigError> {
        read_webhook_headers(&|name| {
            let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
            Some((*value).to_owned())
        })
    }

    #[test]
    fn template_and_code_defaults_agree() {
        let defaults = [
            ("STANDARD_HEADERS", "true"),
            ("HEADER_PREFIX", "webhook"),
            ("SIGNATURE_HEADERS", ""),
            ("EVENT_HEADERS", ""),
        ];
        assert_eq!(read(&defaults), Ok(WebhookHeaders::default()));
        assert_eq!(read(&[]), Ok(WebhookHeaders::default()));
    }

    #[test]
    fn errors_name_the_variable_and_the_place() {
        for (variables, expected) in [
            (
                &[("SIGNATURE_HEADERS", r#"[{"header":"x","content":"{id}"}]"#)][..],
                "environment variable SIGNATURE_HEADERS is invalid: [0].content must contain \
                 {body}, or the signature would not cover it",
            ),
            (
                &[("SIGNATURE_HEADERS", "x-signature")],
                "environment variable SIGNATURE_HEADERS is invalid: must be a JSON list of at \
                 most 5 objects",
            ),
            (
                &[("EVENT_HEADERS", r#"{"X-Type":"{kind}"}"#)],
                "environment variable EVENT_HEADERS is invalid: X-Type must not contain {kind}: \
                 it takes {type}, {id}, {attempt}, {timestamp}, {app}, {endpoint}",
            ),
            (
                &[
                    ("HEADER_PREFIX", "svix"),
                    ("EVENT_HEADERS", r#"{"Svix-Id":"{id}"}"#),
                ],
                "environment variable EVENT_HEADERS is invalid: svix-id must not be the name of \
                 two headers",
            ),
            (
                &[("SIGNATURE_HEADERS", r#"[{"header":"x"},{"header":"X"}]"#)],
                "environment variable SIGNATURE_HEADERS is invalid: [1].header must not be the \
                 name of two headers",
            ),
            (
                &[("STANDARD_HEADERS", "false")],
                "environment variable STANDARD_HEADERS is \"false\", but must be true unless \
                 HEADER_PREFIX or SIGNATURE_HEADERS adds a signature",
            ),
            (
                &[("STANDARD_HEADERS", "no")],
                "environment variable STANDARD_HEADERS is \"no\", but must be true or false",
            ),
            (
                &[("HEADER_PREFIX", "Svix-")],
                "environment variable HEADER_PREFIX is \"Svix-\", but must be 1 to 32 lower-case \
                 letters and digits, with hyphens only in between, that do not begin a name of \
                 HTTP's own headers",
            ),
        ] {
            assert_eq!(read(variables).unwrap_err().to_string(), expected);
        }
    }
}
