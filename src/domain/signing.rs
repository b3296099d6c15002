//! Signing secrets and signatures (Standard Webhooks 1.0, "Signature scheme" and "Webhook
//! headers").

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use rand::CryptoRng;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

const PREFIX: &str = "whsec_";

/// Marks a stored secret as text. Secrets in the standard format begin with [`PREFIX`].
const STORED_TEXT: &str = "text:";

/// Length of a generated key, in bytes.
const GENERATED_BYTES: usize = 32;

/// Allowed lengths of a key in the standard format, in bytes (Standard Webhooks, "Signature
/// scheme").
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Allowed lengths of a text secret, in characters.
const TEXT_CHARS: std::ops::RangeInclusive<usize> = 16..=128;

/// The text format of a secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SecretFormat {
    /// `whsec_` followed by the base64 of the key.
    #[default]
    Standard,
    /// Visible ASCII characters, whose bytes are the key.
    Text,
}

impl SecretFormat {
    /// Parses the name that the API uses.
    ///
    /// # Errors
    /// Returns a message for the caller.
    pub fn parse(name: &str) -> Result<Self, &'static str> {
        match name {
            "standard" => Ok(Self::Standard),
            "text" => Ok(Self::Text),
            _ => Err("must be standard or text"),
        }
    }
}

/// An endpoint's signing key, zeroed on drop and redacted by `Debug`.
pub struct SigningSecret {
    key: SecretSlice<u8>,
    format: SecretFormat,
}

/// The text is not the output of [`SigningSecret::to_stored`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signing secret")]
pub struct InvalidSecret;

impl SigningSecret {
    /// Generates a random secret in the standard format.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut key = Zeroizing::new([0; GENERATED_BYTES]);
        rng.fill_bytes(&mut *key);
        Self {
            key: key.to_vec().into(),
            format: SecretFormat::Standard,
        }
    }

    /// Parses a secret chosen by a caller.
    ///
    /// # Errors
    /// Returns a message for the caller that does not quote the secret.
    pub fn parse(text: &str, format: SecretFormat) -> Result<Self, &'static str> {
        match format {
            SecretFormat::Standard => standard(text)
                .ok_or("must be whsec_ followed by the padded base64 of 24 to 64 bytes"),
            SecretFormat::Text => Self::from_key(text.as_bytes(), format)
                .ok_or("must have 16 to 128 characters, all of them visible ASCII"),
        }
    }

    /// Parses the output of [`Self::to_stored`].
    ///
    /// # Errors
    /// [`InvalidSecret`] for any other text.
    pub fn parse_stored(stored: &str) -> Result<Self, InvalidSecret> {
        let (text, format) = match stored.strip_prefix(STORED_TEXT) {
            Some(text) => (text, SecretFormat::Text),
            None => (stored, SecretFormat::Standard),
        };
        Self::parse(text, format).map_err(|_| InvalidSecret)
    }

    /// The secret with this key. `None` if the key is invalid in this format.
    pub(super) fn from_key(key: &[u8], format: SecretFormat) -> Option<Self> {
        let is_valid = match format {
            SecretFormat::Standard => KEY_BYTES.contains(&key.len()),
            SecretFormat::Text => {
                TEXT_CHARS.contains(&key.len()) && key.iter().all(u8::is_ascii_graphic)
            }
        };
        is_valid.then(|| Self {
            key: key.to_vec().into(),
            format,
        })
    }

    /// The HMAC key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.key.expose_secret()
    }

    /// The text format of the secret.
    #[must_use]
    pub fn format(&self) -> SecretFormat {
        self.format
    }

    /// The secret as the API returns it. Some signature schemes use the bytes of this text as
    /// their key.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        match self.format {
            SecretFormat::Standard => format!("{PREFIX}{}", STANDARD.encode(self.key())).into(),
            // The key is ASCII, so no character is replaced.
            SecretFormat::Text => String::from_utf8_lossy(self.key()).into_owned().into(),
        }
    }

    /// The secret with its format, as it is stored in Secrets Manager.
    #[must_use]
    pub fn to_stored(&self) -> SecretString {
        let text = self.to_text();
        match self.format {
            SecretFormat::Standard => text,
            SecretFormat::Text => format!("{STORED_TEXT}{}", text.expose_secret()).into(),
        }
    }

    /// Computes the `webhook-signature` header: `v1,` followed by the base64 of the
    /// HMAC-SHA256 of `{id}.{timestamp}.{body}`. The timestamp is in whole Unix
    /// seconds.
    #[must_use]
    pub fn sign(&self, webhook_id: &str, at: Timestamp, body: &[u8]) -> String {
        #[expect(
            clippy::expect_used,
            reason = "HMAC accepts keys of any length (RFC 2104)"
        )]
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.key()).expect("HMAC accepts keys of any length");
        mac.update(format!("{webhook_id}.{}.", at.as_second()).as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Computes the `webhook-signature` header for several secrets, in their order. Receivers that
/// know any one of them accept it.
#[must_use]
pub fn sign_with_each<'a>(
    secrets: impl IntoIterator<Item = &'a SigningSecret>,
    webhook_id: &str,
    at: Timestamp,
    body: &[u8],
) -> String {
    let signatures = secrets.into_iter();
    let signatures = signatures.map(|secret| secret.sign(webhook_id, at, body));
    signatures.collect::<Vec<_>>().join(" ")
}

/// Parses a secret in the standard format.
fn standard(text: &str) -> Option<SigningSecret> {
    let encoded = text.strip_prefix(PREFIX)?;
    // Three bytes longer than the longest key: a slightly longer key decodes and fails the
    // length check, and an even longer one does not fit and fails to decode.
    let mut decoded = Zeroizing::new([0; *KEY_BYTES.end() + 3]);
    let length = STANDARD.decode_slice(encoded, &mut *decoded).ok()?;
    SigningSecret::from_key(decoded.get(..length)?, SecretFormat::Standard)
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_matches_the_reference_example() {
        // Taken from the tests of the Standard Webhooks reference implementations.
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secret = SigningSecret::parse(text, SecretFormat::Standard).unwrap();
        assert_eq!(
            secret.sign(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                Timestamp::from_second(1_614_265_330).unwrap(),
                br#"{"test": 2432232314}"#,
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn generated_secrets_have_32_bytes_in_standard_format() {
        let secret = SigningSecret::generate(&mut rand::rng());
        assert_eq!(secret.to_text().expose_secret().len(), 6 + 44);
        assert_eq!(secret.key().len(), 32);
    }

    #[test]
    fn secrets_of_either_format_round_trip() {
        let whsec = |length| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        let text = |length: usize| "!aZ9~".chars().cycle().take(length).collect::<String>();
        for (given, format) in [
            (whsec(24), SecretFormat::Standard),
            (whsec(33), SecretFormat::Standard),
            (whsec(64), SecretFormat::Standard),
            (text(16), SecretFormat::Text),
            (text(128), SecretFormat::Text),
            // These two look like other formats.
            (whsec(32), SecretFormat::Text),
            ("text:text:text:text".to_owned(), SecretFormat::Text),
        ] {
            let secret = SigningSecret::parse(&given, format).unwrap();
            assert_eq!(secret.to_text().expose_secret(), given);
            let again = SigningSecret::parse_stored(secret.to_stored().expose_secret()).unwrap();
            assert_eq!(
                (again.key(), again.format()),
                (secret.key(), format),
                "{given}"
            );
            let again = SigningSecret::from_key(secret.key(), format).unwrap();
            assert_eq!(again.to_text().expose_secret(), given);
        }
        let secret = SigningSecret::parse(&text(16), SecretFormat::Text).unwrap();
        assert_eq!(secret.key(), text(16).as_bytes());
    }

    #[test]
    fn generated_secrets_differ() {
        let [a, b] = [(), ()].map(|()| SigningSecret::generate(&mut rand::rng()));
        assert_ne!(a.key(), b.key());
    }

    #[test]
    fn malformed_secrets_are_rejected() {
        let encode = |length| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        for wrong in [
            "",
            "whsec_",
            "whsec_%%%",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwA",
            &encode(23),
            &encode(65),
            &encode(66),
            &encode(300),
            &encode(32)[6..],
            // No padding, non-zero trailing bits, and a line feed.
            encode(32).trim_end_matches('='),
            &encode(32).replace("c=", "d="),
            &format!("{}\n", encode(24)),
        ] {
            SigningSecret::parse(wrong, SecretFormat::Standard).unwrap_err();
            let stored = SigningSecret::parse_stored(wrong);
            assert_eq!(stored.unwrap_err(), InvalidSecret, "{wrong}");
        }
        for wrong in [
            "",
            "fifteen-letters",
            &"a".repeat(129),
            "sixteen letters ",
            "sixteen\tletters.",
            "sixteen-lettérs.",
            "sixteen-letters\u{7f}",
        ] {
            SigningSecret::parse(wrong, SecretFormat::Text).unwrap_err();
            let stored = SigningSecret::parse_stored(&format!("text:{wrong}"));
            assert_eq!(stored.unwrap_err(), InvalidSecret, "{wrong}");
        }
    }

    #[test]
    fn debug_redacts_the_secret() {
        let secret = SigningSecret::generate(&mut rand::rng());
        assert_eq!(format!("{secret:?}"), "SigningSecret([REDACTED])");
    }
}
