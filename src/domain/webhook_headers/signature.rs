//! Headers with signatures in schemes other than Standard Webhooks.

use std::str::FromStr;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::Facts;
use super::template::{Placeholder, Template};
use crate::domain::header_name::HeaderName;
use crate::domain::json;
use crate::domain::signing::SigningSecret;
use crate::domain::validation::FieldError;

/// Limited because each header costs a pass over the body per attempt and secret.
const MOST: usize = 5;

const MAX_SEPARATOR: usize = 8;

/// The placeholders allowed in signed content and in a header's value.
const FACTS: [Placeholder; 6] = [
    Placeholder::Id,
    Placeholder::Timestamp,
    Placeholder::Type,
    Placeholder::Attempt,
    Placeholder::App,
    Placeholder::Endpoint,
];

/// The operator's signature headers, parsed from a JSON list of objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignatureHeaders(pub(super) Vec<SignatureHeader>);

/// A header with one signature, or one for each valid secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignatureHeader {
    pub(super) name: HeaderName,
    content: Template,
    algorithm: Algorithm,
    encoding: Encoding,
    key: Key,
    value: Template,
    each: Template,
    separator: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Hex,
    Base64,
}

/// What is used as the key of the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// The decoded secret, as in Standard Webhooks.
    Bytes,
    /// The text of the secret, including `whsec_`.
    Text,
}

/// The operator's JSON for one header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    header: Option<String>,
    content: Option<String>,
    algorithm: Option<String>,
    encoding: Option<String>,
    key: Option<String>,
    value: Option<String>,
    each: Option<String>,
    separator: Option<String>,
}

impl FromStr for SignatureHeaders {
    type Err = FieldError;

    /// Parses the setting. An empty string means no headers. The field of an error is a path
    /// in the list, such as `[0].content`.
    fn from_str(text: &str) -> Result<Self, FieldError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let Some(elements) = json::elements(text, MOST) else {
            let must = format!("must be a JSON list of at most {MOST} objects");
            return Err(FieldError::new("", must));
        };
        let headers = elements.into_iter().enumerate();
        let headers = headers.map(|(index, element)| {
            SignatureHeader::parse(element).map_err(|error| FieldError {
                field: format!("[{index}]{}", error.field),
                ..error
            })
        });
        Ok(Self(headers.collect::<Result<_, _>>()?))
    }
}

impl SignatureHeader {
    /// Parses one object. The field of an error is a path in it, such as `.content`.
    fn parse(json: &RawValue) -> Result<Self, FieldError> {
        let written: Written = serde_json::from_str(json.get()).map_err(|error| {
            FieldError::new("", format!("must be an object of strings: {error}"))
        })?;
        let Some(name) = written.header else {
            return Err(FieldError::new(".header", "must be the name of a header"));
        };
        let content = written.content.as_deref().unwrap_or("{body}");
        let content = Template::parse(content, &with(Placeholder::Body))
            .map_err(|must| FieldError::new(".content", must))?;
        if !content.has(Placeholder::Body) {
            let must = "must contain {body}, or the signature would not cover it";
            return Err(FieldError::new(".content", must));
        }
        let value = value(written.value.as_deref().unwrap_or("{signature}"))?;
        let is_list = value.has(Placeholder::Signatures);
        Ok(Self {
            name: name_of(&name)?,
            content,
            algorithm: match written.algorithm.as_deref() {
                Some("sha1") => Algorithm::Sha1,
                None | Some("sha256") => Algorithm::Sha256,
                Some("sha512") => Algorithm::Sha512,
                Some(_) => {
                    let must = "must be sha1, sha256 or sha512";
                    return Err(FieldError::new(".algorithm", must));
                }
            },
            encoding: match written.encoding.as_deref() {
                None | Some("hex") => Encoding::Hex,
                Some("base64") => Encoding::Base64,
                Some(_) => return Err(FieldError::new(".encoding", "must be hex or base64")),
            },
            key: match written.key.as_deref() {
                None | Some("text") => Key::Text,
                Some("bytes") => Key::Bytes,
                Some(_) => return Err(FieldError::new(".key", "must be text or bytes")),
            },
            value,
            each: each(written.each.as_deref(), is_list)?,
            separator: separator(written.separator, is_list)?,
        })
    }

    /// The header's value. `secrets` are newest first.
    pub(super) fn render(&self, facts: &Facts<'_>, secrets: &[&SigningSecret]) -> String {
        let filled = match self.value.has(Placeholder::Signatures) {
            true => {
                let fill =
                    |secret: &&SigningSecret| facts.fill(&self.each, &self.sign(facts, secret));
                let all: Vec<_> = secrets.iter().map(fill).collect();
                all.join(&self.separator)
            }
            false => {
                let newest = secrets.first();
                newest.map_or_else(String::new, |newest| self.sign(facts, newest))
            }
        };
        facts.fill(&self.value, &filled)
    }

    fn sign(&self, facts: &Facts<'_>, secret: &SigningSecret) -> String {
        let pieces = self.content.pieces(|placeholder| facts.value(placeholder));
        let text;
        let key = match self.key {
            Key::Bytes => secret.key(),
            Key::Text => {
                text = secret.to_text();
                text.expose_secret().as_bytes()
            }
        };
        let mac = match self.algorithm {
            Algorithm::Sha1 => mac::<Hmac<Sha1>>(key, pieces),
            Algorithm::Sha256 => mac::<Hmac<Sha256>>(key, pieces),
            Algorithm::Sha512 => mac::<Hmac<Sha512>>(key, pieces),
        };
        match self.encoding {
            Encoding::Hex => hex::encode(mac),
            Encoding::Base64 => STANDARD.encode(mac),
        }
    }
}

fn with(placeholder: Placeholder) -> Vec<Placeholder> {
    [&[placeholder][..], &FACTS].concat()
}

fn name_of(text: &str) -> Result<HeaderName, FieldError> {
    let name = HeaderName::parse(text);
    let name = name.map_err(|error| FieldError::new(".header", error.to_string()))?;
    // A receiver that requires a login gets these from its endpoint's own headers.
    if ["authorization", "cookie"].contains(&name.as_str()) {
        let must = "must not be a header for the receiver's own credentials";
        return Err(FieldError::new(".header", must));
    }
    Ok(name)
}

fn value(text: &str) -> Result<Template, FieldError> {
    let allowed = [
        &[Placeholder::Signature, Placeholder::Signatures][..],
        &FACTS,
    ]
    .concat();
    let value =
        Template::parse_header(text, &allowed).map_err(|must| FieldError::new(".value", must))?;
    let count = value.count(Placeholder::Signature) + value.count(Placeholder::Signatures);
    match count {
        1 => Ok(value),
        _ => Err(FieldError::new(
            ".value",
            "must contain either {signature} or {signatures}, once",
        )),
    }
}

fn each(text: Option<&str>, is_list: bool) -> Result<Template, FieldError> {
    let text = only_of_lists(".each", text, is_list)?.unwrap_or("{signature}");
    let each = Template::parse_header(text, &with(Placeholder::Signature))
        .map_err(|must| FieldError::new(".each", must))?;
    match each.has(Placeholder::Signature) {
        true => Ok(each),
        false => Err(FieldError::new(".each", "must contain {signature}")),
    }
}

fn separator(text: Option<String>, is_list: bool) -> Result<String, FieldError> {
    let text = only_of_lists(".separator", text, is_list)?.unwrap_or_else(|| ",".to_owned());
    let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    match (1..=MAX_SEPARATOR).contains(&text.len()) && text.bytes().all(is_visible) {
        true => Ok(text),
        false => {
            let must = format!("must be 1 to {MAX_SEPARATOR} visible ASCII characters or spaces");
            Err(FieldError::new(".separator", must))
        }
    }
}

/// Rejects a field that is allowed only if the value contains `{signatures}`.
fn only_of_lists<T>(field: &str, it: Option<T>, is_list: bool) -> Result<Option<T>, FieldError> {
    match it.is_some() && !is_list {
        true => Err(FieldError::new(
            field,
            "must be left out unless value contains {signatures}",
        )),
        false => Ok(it),
    }
}

fn mac<'a, M: Mac + KeyInit>(key: &[u8], pieces: impl Iterator<Item = &'a str>) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "HMAC accepts keys of any length (RFC 2104)"
    )]
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC accepts keys of any length");
    for piece in pieces {
        mac.update(piece.as_bytes());
    }
    mac.finalize().into_bytes().to_vec()
}
