//! Signing secrets and delivery signatures (Standard Webhooks 1.0, "Signature
//! scheme" and "Webhook headers").

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use rand::CryptoRng;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
const SECRET_BYTES: usize = 32;

/// An endpoint's signing key: 32 random bytes, zeroed on drop and redacted by
/// `Debug`.
pub struct SigningSecret(SecretBox<[u8; SECRET_BYTES]>);

/// The text is not `whsec_` followed by the base64 of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signing secret: expected whsec_ followed by the base64 of 32 bytes")]
pub struct InvalidSecret;

impl SigningSecret {
    /// Generates a random secret.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(SecretBox::init_with_mut(
            |bytes: &mut [u8; SECRET_BYTES]| {
                rng.fill_bytes(bytes);
            },
        ))
    }

    /// Parses the output of [`SigningSecret::to_text`].
    ///
    /// # Errors
    /// If the text has any other form.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        // Three bytes more than the key. A text that is slightly too long decodes
        // and fails the length check; a longer one does not fit and fails to decode.
        let mut decoded = [0; SECRET_BYTES + 3];
        let length = STANDARD
            .decode_slice(encoded, &mut decoded)
            .map_err(|_| InvalidSecret)?;
        let bytes = decoded
            .get(..length)
            .and_then(|bytes| <[u8; SECRET_BYTES]>::try_from(bytes).ok())
            .ok_or(InvalidSecret)?;
        Ok(Self(SecretBox::new(Box::new(bytes))))
    }

    /// The secret of this key, if it has the right length.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = <[u8; SECRET_BYTES]>::try_from(bytes).ok()?;
        Some(Self(SecretBox::new(Box::new(bytes))))
    }

    /// The key, for sealing it.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// `whsec_` followed by the base64 of the key. The API returns this form, and
    /// the public verification libraries accept it.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        format!("{PREFIX}{}", STANDARD.encode(self.0.expose_secret())).into()
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
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .expect("HMAC accepts keys of any length");
        mac.update(format!("{webhook_id}.{}.", at.as_second()).as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
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
        // Key, id, timestamp, body and signature from the tests of the reference
        // implementations.
        let mut key = [0; SECRET_BYTES];
        key[..24].copy_from_slice(&STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        // HMAC pads short keys with zeros to the block size, so the example's
        // 24-byte key and its zero-padded form give the same signature.
        let secret = SigningSecret(SecretBox::new(Box::new(key)));
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
    fn secrets_round_trip_through_text() {
        let secret = SigningSecret::generate(&mut rand::rng());
        let text = secret.to_text();
        let again = SigningSecret::parse(text.expose_secret()).unwrap();
        assert_eq!(secret.0.expose_secret(), again.0.expose_secret());
        assert_eq!(text.expose_secret().len(), 6 + 44);
    }

    #[test]
    fn generated_secrets_differ() {
        let [a, b] = [(), ()].map(|()| SigningSecret::generate(&mut rand::rng()));
        assert_ne!(a.0.expose_secret(), b.0.expose_secret());
    }

    #[test]
    fn malformed_secrets_are_rejected() {
        let encode = |length| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        assert!(SigningSecret::parse(&encode(32)).is_ok());
        for wrong in [
            "",
            "whsec_",
            "whsec_%%%",
            &encode(31),
            &encode(33),
            &encode(48),
            &encode(32)[6..],
        ] {
            assert_eq!(
                SigningSecret::parse(wrong).unwrap_err(),
                InvalidSecret,
                "{wrong}"
            );
        }
    }

    #[test]
    fn debug_redacts_the_secret() {
        let secret = SigningSecret::generate(&mut rand::rng());
        assert_eq!(format!("{secret:?}"), "SigningSecret([REDACTED])");
    }
}
