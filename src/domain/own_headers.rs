//! An endpoint's own headers, which are sent with each of its attempts, for receivers that
//! require Basic authentication or a bearer token. The values are secrets.

use std::collections::HashSet;
use std::fmt;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::header_name::{Reserved, reserved};
use super::json::Fields;
use super::validation::FieldError;

/// The most headers that an endpoint can have.
pub const MAX_HEADERS: usize = 10;

/// Maximum length of a name, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Maximum length of a value, in bytes.
const MAX_VALUE_BYTES: usize = 1024;

/// Maximum length of all values together, in bytes.
const MAX_BYTES: usize = 4096;

/// Shorter values are not removed from responses, because they could be part of any word.
const MIN_REMOVED_BYTES: usize = 8;

/// Replaces a removed value.
const REMOVED: &str = "[removed]";

const OBJECT: &str = "must be an object of at most 10 headers";
const NAMES: &str = "must have names of 1 to 64 characters that HTTP allows in header names";
const REPEATED: &str = "must not be repeated, even in a different letter case";
const VALUE: &str = "must be a string of 1 to 1,024 visible ASCII characters, with spaces and \
                     tabs only between them";
const TOO_LARGE: &str = "must have at most 4,096 bytes of values";

/// An endpoint's own headers, in the order of their names. `Debug` redacts them, and the values
/// are zeroed on drop.
pub struct OwnHeaders(Vec<(String, SecretString)>);

impl OwnHeaders {
    /// Parses a JSON object of values by name. `None` if it is empty or null.
    ///
    /// # Errors
    /// All errors, for the caller. They quote no values, and no invalid names, which may be
    /// values in the wrong place.
    pub fn parse(json: &str) -> Result<Option<Self>, Vec<FieldError>> {
        if json.trim() == "null" {
            return Ok(None);
        }
        let whole = |message| vec![FieldError::new("headers", message)];
        let given: Fields = serde_json::from_str(json).map_err(|_| whole(OBJECT))?;
        if given.values.len() > MAX_HEADERS {
            return Err(whole(OBJECT));
        }
        let mut errors = Vec::new();
        let (mut headers, mut seen, mut bytes) = (Vec::new(), HashSet::new(), 0);
        for (name, value) in given.values {
            if !is_name(&name) {
                errors.push(FieldError::new("headers", NAMES));
                continue;
            }
            // `given` knows only names that are repeated exactly.
            let is_new = seen.insert(name.to_ascii_lowercase());
            let refusal = match refusal(&name) {
                _ if !is_new || given.repeated.contains(&name) => Some(REPEATED),
                refusal => refusal,
            };
            let value = match serde_json::from_str(value.get()) {
                Ok(Value::String(value)) if is_value(&value) => Some(SecretString::from(value)),
                _ => None,
            };
            bytes += value
                .as_ref()
                .map_or(0, |value| value.expose_secret().len());
            match (refusal, value) {
                (None, Some(value)) => headers.push((name, value)),
                (refusal, _) => {
                    let field = format!("headers.{name}");
                    errors.push(FieldError::new(field, refusal.unwrap_or(VALUE)));
                }
            }
        }
        if bytes > MAX_BYTES {
            errors.push(FieldError::new("headers", TOO_LARGE));
        }
        match errors.is_empty() {
            true => Ok((!headers.is_empty()).then_some(Self(headers))),
            false => Err(errors),
        }
    }

    /// The names, which are not confidential.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Names with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Removes the values from a response that may repeat the request. A value at the end of
    /// the text is also recognized if it is cut off. Values of less than 8 bytes stay.
    #[must_use]
    pub fn removed_from(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (_, value) in &self.0 {
            let value = value.expose_secret();
            // A response may repeat the part after `Basic` or `Bearer` without that word.
            let credentials = value.split_once(' ').map(|(_, credentials)| credentials);
            for part in [Some(value), credentials].into_iter().flatten() {
                for spelling in spellings(part) {
                    remove(&mut text, &spelling);
                }
            }
        }
        text
    }

    /// Serializes the headers for sealing: one line per header, as in HTTP/1.1.
    pub(super) fn to_lines(&self) -> Zeroizing<String> {
        let length = |(name, value): &(String, SecretString)| {
            name.len() + ": \n".len() + value.expose_secret().len()
        };
        // Exact capacity: a string that grows is copied, and the old copy is not zeroed.
        let capacity = self.0.iter().map(length).sum();
        let mut lines = Zeroizing::new(String::with_capacity(capacity));
        for (name, value) in &self.0 {
            for part in [name, ": ", value.expose_secret(), "\n"] {
                lines.push_str(part);
            }
        }
        lines
    }

    /// Parses the output of [`Self::to_lines`].
    pub(super) fn from_lines(lines: &[u8]) -> Option<Self> {
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            (is_name(name) && is_value(value)).then(|| (name.to_owned(), value.into()))
        };
        let lines = std::str::from_utf8(lines).ok()?.lines();
        lines.map(header).collect::<Option<_>>().map(Self)
    }
}

/// How a response may spell a value: escaped as PHP writes JSON, escaped as JSON requires,
/// and plain. The most escaped comes first, because removing a shorter spelling could leave
/// the backslashes of a longer one behind.
fn spellings(value: &str) -> Vec<String> {
    let json = value.replace('\\', r"\\").replace('"', r#"\""#);
    let php = json.replace('/', r"\/");
    let mut all = vec![php, json, value.to_owned()];
    // Most values need no escape, and then all three are the same.
    all.dedup();
    all
}

/// Removes all occurrences of a value, and one that is cut off at the end of the text.
fn remove(text: &mut String, value: &str) {
    if value.len() < MIN_REMOVED_BYTES {
        return;
    }
    *text = text.replace(value, REMOVED);
    // Longest first. Slicing is safe because values are ASCII.
    let mut beginnings = (MIN_REMOVED_BYTES..value.len()).rev();
    if let Some(length) = beginnings.find(|&length| text.ends_with(&value[..length])) {
        text.truncate(text.len() - length);
        text.push_str(REMOVED);
    }
}

/// Whether this is a valid header name in HTTP (RFC 9110, 5.6.2).
fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_token)
}

/// Whether this is a valid header value in HTTP (RFC 9110, 5.5), except for `obs-text`, which
/// the RFC deprecates.
fn is_value(value: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    let bytes = value.as_bytes();
    let is_inner = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t');
    bytes.len() <= MAX_VALUE_BYTES
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes.iter().all(is_inner)
}

/// The message for a reserved name. `None` if an endpoint may set this header.
fn refusal(name: &str) -> Option<&'static str> {
    reserved(name).map(|why| match why {
        Reserved::Http => "is set by HTTP itself",
        Reserved::Body => "describes the body, which the service writes",
        Reserved::Service => "is set by the service",
        Reserved::Signature => "is reserved for the signature",
        Reserved::Origin => "must not claim where the request comes from",
    })
}

impl fmt::Debug for OwnHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnHeaders([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(json: &Value) -> OwnHeaders {
        OwnHeaders::parse(&json.to_string()).unwrap().unwrap()
    }

    fn values(headers: &OwnHeaders) -> Vec<(&str, &str)> {
        let headers = headers.iter();
        headers
            .map(|(name, value)| (name, value.expose_secret()))
            .collect()
    }

    #[test]
    fn headers_round_trip_through_lines() {
        let longest = "v".repeat(1024);
        let headers = parsed(&json!({
            "Authorization": "Basic dXNlcjpwYXNz",
            "X-Odd": "a: b\t c;\"\\",
            "!#$%&'*+-.^_`|~9": ":",
            "x-long": longest,
        }));
        let expected = [
            ("!#$%&'*+-.^_`|~9", ":"),
            ("Authorization", "Basic dXNlcjpwYXNz"),
            ("X-Odd", "a: b\t c;\"\\"),
            ("x-long", &longest),
        ];
        assert_eq!(values(&headers), expected);
        let names: Vec<_> = headers.names().collect();
        assert_eq!(names, expected.map(|(name, _)| name));
        let lines = headers.to_lines();
        let again = OwnHeaders::from_lines(lines.as_bytes()).unwrap();
        assert_eq!(values(&again), expected);
        // It never grew, so there is no other copy of the values in memory.
        assert_eq!(lines.capacity(), lines.len());
        for malformed in ["no header", "no name: x", "value: é"] {
            assert!(OwnHeaders::from_lines(malformed.as_bytes()).is_none());
        }
    }

    #[test]
    fn null_and_empty_objects_are_no_headers() {
        for none in ["null", "{}", " { } "] {
            assert!(OwnHeaders::parse(none).unwrap().is_none());
        }
    }

    #[test]
    fn refused_names_come_with_a_reason() {
        for (name, reason) in [
            ("Host", "HTTP itself"),
            ("connection", "HTTP itself"),
            ("Keep-Alive", "HTTP itself"),
            ("Proxy-Authorization", "HTTP itself"),
            ("TE", "HTTP itself"),
            ("Trailer", "HTTP itself"),
            ("Transfer-Encoding", "HTTP itself"),
            ("Upgrade", "HTTP itself"),
            ("HTTP2-Settings", "HTTP itself"),
            ("Expect", "HTTP itself"),
            ("Content-Length", "the body"),
            ("content-type", "the body"),
            ("Content-Encoding", "the body"),
            ("Accept", "the service"),
            ("accept-encoding", "the service"),
            ("User-Agent", "the service"),
            ("Date", "the service"),
            ("Webhook-Signature", "the signature"),
            ("webhook-test", "the signature"),
            ("webhook-", "the signature"),
            ("X-Forwarded-For", "comes from"),
            ("Forwarded", "comes from"),
            ("X-Real-IP", "comes from"),
            ("Via", "comes from"),
        ] {
            let json = json!({ name: "x" }).to_string();
            let errors = OwnHeaders::parse(&json).unwrap_err();
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!(errors[0].field, format!("headers.{name}"));
            assert!(errors[0].message.contains(reason), "{errors:?}");
        }
        for allowed in [
            "Authorization",
            "X-Api-Key",
            "Cookie",
            "Hosts",
            "X-Webhook-Token",
        ] {
            parsed(&json!({ allowed: "x" }));
        }
    }

    #[test]
    fn all_errors_are_reported_without_quoting_values() {
        let long = "n".repeat(65);
        let longest = "n".repeat(64);
        let errors = |json: &str| {
            let errors = OwnHeaders::parse(json).unwrap_err();
            let text = format!("{errors:?}");
            assert!(!text.contains("hidden"), "{text}");
            let fields = errors.into_iter().map(|error| error.field);
            fields.collect::<Vec<_>>()
        };
        for (json, fields) in [
            ("5", &["headers"][..]),
            ("[]", &["headers"]),
            (r#""hidden""#, &["headers"]),
            (r#"{"": "hidden"}"#, &["headers"]),
            (r#"{"hidden name": "hidden"}"#, &["headers"]),
            (r#"{"hidden:": "hidden"}"#, &["headers"]),
            (r#"{"hiddén": "hidden"}"#, &["headers"]),
            (&json!({ long: "hidden" }).to_string(), &["headers"]),
            (r#"{"a": null}"#, &["headers.a"]),
            (r#"{"a": 5}"#, &["headers.a"]),
            (r#"{"a": ["hidden"]}"#, &["headers.a"]),
            (r#"{"a": ""}"#, &["headers.a"]),
            (r#"{"a": " hidden"}"#, &["headers.a"]),
            (r#"{"a": "hidden\t"}"#, &["headers.a"]),
            (r#"{"a": "hidden\r\nb: c"}"#, &["headers.a"]),
            (r#"{"a": "hidden\u0000"}"#, &["headers.a"]),
            (r#"{"a": "hiddén"}"#, &["headers.a"]),
            (&json!({"a": "v".repeat(1025)}).to_string(), &["headers.a"]),
            (r#"{"a": "hidden", "a": "hidden"}"#, &["headers.a"]),
            (r#"{"A": "hidden", "a": "hidden"}"#, &["headers.a"]),
            (
                r#"{"host": "hidden", "b": " ", "c": "hidden", "d ": "hidden"}"#,
                &["headers.b", "headers", "headers.host"],
            ),
        ] {
            assert_eq!(errors(json), fields, "{json}");
        }
        parsed(&json!({ longest: "x" }));
    }

    #[test]
    fn headers_are_limited_to_ten_and_4_kib() {
        let many = |count: usize, length: usize| {
            let headers = (0..count).map(|n| (format!("h{n}"), json!("v".repeat(length))));
            let json = Value::Object(headers.collect()).to_string();
            OwnHeaders::parse(&json).map(|_| ())
        };
        assert!(many(10, 409).is_ok());
        assert!(many(11, 1).is_err());
        assert!(many(4, 1024).is_ok());
        let errors = many(10, 410).unwrap_err();
        assert_eq!(errors, [FieldError::new("headers", TOO_LARGE)]);
    }

    #[test]
    fn repeated_values_are_removed() {
        let headers = parsed(&json!({
            "a": "Bearer some-token", "b": "7 bytes", "c": "another-one", "d": "8 bytes!"
        }));
        for (text, expected) in [
            ("nothing", "nothing"),
            ("got Bearer some-token.", "got [removed]."),
            ("some-token, SOME-TOKEN", "[removed], SOME-TOKEN"),
            ("another-oneanother-one", "[removed][removed]"),
            ("7 bytes, 8 bytes!", "7 bytes, [removed]"),
            ("cut off: Bearer some-tok", "cut off: [removed]"),
            ("cut off: some-toke", "cut off: [removed]"),
            ("another", "another"),
        ] {
            assert_eq!(headers.removed_from(text), expected);
        }
    }

    #[test]
    fn values_escaped_in_json_are_removed() {
        let headers = parsed(&json!({"a": r#"key/"with"\slashes"#}));
        for text in [
            r#"key/"with"\slashes"#,
            r#""key/\"with\"\\slashes""#,
            r#""key\/\"with\"\\slashes""#,
        ] {
            let expected = match text.starts_with('"') {
                true => r#""[removed]""#,
                false => "[removed]",
            };
            assert_eq!(headers.removed_from(text), expected, "{text}");
        }
    }

    #[test]
    fn debug_redacts_the_headers() {
        let headers = parsed(&json!({"a": "b"}));
        assert_eq!(format!("{headers:?}"), "OwnHeaders([REDACTED])");
    }
}
