//! Signing secrets, and the signature of a delivery (Standard Webhooks 1.0,
//! "Signature scheme" and "Webhook headers").

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use rand::CryptoRng;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
const SECRET_BYTES: usize = 32;

/// The key that one endpoint's deliveries are signed with: 32 random bytes,
/// wiped from memory when dropped and never shown by `Debug`.
pub struct SigningSecret(SecretBox<[u8; SECRET_BYTES]>);

/// The stored text of a secret is not `whsec_` and the base64 of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signing secret: expected whsec_ and the base64 of 32 bytes")]
pub struct InvalidSecret;

impl SigningSecret {
    /// A new secret.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(SecretBox::init_with_mut(
            |bytes: &mut [u8; SECRET_BYTES]| {
                rng.fill_bytes(bytes);
            },
        ))
    }

    /// Reads the form of [`SigningSecret::to_text`].
    ///
    /// # Errors
    /// [`InvalidSecret`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        // One byte of room beyond the key, so that a longer text fails too.
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

    /// `whsec_` and the base64 of the key: what the endpoint's owner is given
    /// and what the public verification libraries take.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        format!("{PREFIX}{}", STANDARD.encode(self.0.expose_secret())).into()
    }

    /// The `webhook-signature` of one attempt: `v1,` and the base64 of the
    /// HMAC-SHA256 over `{id}.{timestamp}.{body}`, with the timestamp in whole
    /// Unix seconds.
    #[must_use]
    pub fn sign(&self, webhook_id: &str, at: Timestamp, body: &[u8]) -> String {
        #[expect(
            clippy::expect_used,
            reason = "HMAC takes a key of any length (RFC 2104)"
        )]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .expect("HMAC takes a key of any length");
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
    fn the_signature_is_that_of_the_standards_example() {
        // Key, id, timestamp, body and signature from the reference
        // implementations' test suite.
        let mut key = [0; SECRET_BYTES];
        key[..24].copy_from_slice(&STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        // HMAC pads a short key with zeros to the block size, so the 24-byte
        // key of the example and its zero-padded form sign alike.
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
    fn a_secret_survives_its_text_form() {
        let secret = SigningSecret::generate(&mut rand::rng());
        let text = secret.to_text();
        let again = SigningSecret::parse(text.expose_secret()).unwrap();
        assert_eq!(secret.0.expose_secret(), again.0.expose_secret());
        assert_eq!(text.expose_secret().len(), 6 + 44);
    }

    #[test]
    fn two_secrets_differ() {
        let [a, b] = [(), ()].map(|()| SigningSecret::generate(&mut rand::rng()));
        assert_ne!(a.0.expose_secret(), b.0.expose_secret());
    }

    #[test]
    fn anything_else_is_no_secret() {
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
    fn debug_shows_nothing() {
        let secret = SigningSecret::generate(&mut rand::rng());
        assert_eq!(format!("{secret:?}"), "SigningSecret([REDACTED])");
    }
}
