//! Signing secrets sealed to the public key of a key pair, so that whoever seals one
//! cannot open it (HPKE, RFC 9180, base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
//! AES-256-GCM).
//!
//! A sealed secret is the base64 of a format byte, the encapsulated key (32 bytes) and
//! the ciphertext (as long as the key, and a tag of 16). App, endpoint and secret version
//! are its associated data: copied to another endpoint's item, or given another version,
//! it does not open.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey, HpkePublicKey};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::endpoint::{EndpointKey, SecretVersion};
use super::id::SealingKeyId;
use super::signing::{SecretFormat, SigningSecret};

static SUITE: &dyn Hpke = DH_KEM_X25519_HKDF_SHA256_AES_256;

/// What a sealed message is: its first byte, and the text that separates it from the
/// others that are sealed to the same key. One that is passed off as another kind does not
/// open.
struct Kind {
    format: u8,
    info: &'static [u8],
}

/// The key of a signing secret in the standard format.
const STANDARD_SECRET: Kind = Kind {
    format: 1,
    info: b"webhook-endpoints signing secret",
};

/// A signing secret that is text.
const TEXT_SECRET: Kind = Kind {
    format: 2,
    info: b"webhook-endpoints text secret",
};

const KEY_BYTES: usize = 32;

const PRIVATE_PREFIX: &str = "whsk_";

/// The public half of a key pair, with the pair's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingKey {
    /// Names the private key.
    pub id: SealingKeyId,
    public: [u8; KEY_BYTES],
}

/// The private half of a key pair, zeroed on drop and redacted by `Debug`.
pub struct PrivateKey(HpkePrivateKey);

/// A sealed signing secret. Not confidential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// The key pair that opens it.
    pub key_id: SealingKeyId,
    text: String,
}

/// A public or private key is not the base64 of 32 bytes, in its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a sealing key")]
pub struct InvalidKey;

/// The cryptographic library failed to make a key pair or to seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to seal a secret")]
pub struct SealError;

/// The text does not open: it was changed, belongs to another endpoint or version, or
/// was sealed to another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed secret does not open")]
pub struct OpenError;

impl SealingKey {
    /// Makes a key pair.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn generate() -> Result<(Self, PrivateKey), SealError> {
        let (public, private) = SUITE.generate_key_pair().map_err(|_| SealError)?;
        let key = Self {
            id: SealingKeyId::new(),
            public: public.0.try_into().map_err(|_| SealError)?,
        };
        Ok((key, PrivateKey(private)))
    }

    /// Parses the output of [`Self::public_text`].
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn parse(id: SealingKeyId, public: &str) -> Result<Self, InvalidKey> {
        let public = STANDARD.decode(public).map_err(|_| InvalidKey)?;
        Ok(Self {
            id,
            public: public.try_into().map_err(|_| InvalidKey)?,
        })
    }

    /// The base64 of the public key.
    #[must_use]
    pub fn public_text(&self) -> String {
        STANDARD.encode(self.public)
    }

    /// Seals one version of an endpoint's secret.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(
        &self,
        endpoint: EndpointKey,
        version: &SecretVersion,
        secret: &SigningSecret,
    ) -> Result<SealedSecret, SealError> {
        let kind = match secret.format() {
            SecretFormat::Standard => STANDARD_SECRET,
            SecretFormat::Text => TEXT_SECRET,
        };
        let bound_to = associated_data(endpoint, version);
        let bytes = self.seal_bytes(&kind, &bound_to, secret.key())?;
        Ok(SealedSecret {
            key_id: self.id,
            text: STANDARD.encode(bytes),
        })
    }

    fn seal_bytes(&self, kind: &Kind, bound_to: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let public = HpkePublicKey(self.public.to_vec());
        let sealed = SUITE.seal(kind.info, bound_to, plain, &public);
        let (EncapsulatedSecret(encapsulated), ciphertext) = sealed.map_err(|_| SealError)?;
        Ok([&[kind.format][..], &encapsulated, &ciphertext].concat())
    }
}

impl PrivateKey {
    /// Parses the output of [`Self::to_text`].
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let encoded = text.strip_prefix(PRIVATE_PREFIX).ok_or(InvalidKey)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidKey)?;
        // Zeroed when dropped, if it is refused as well.
        let key = HpkePrivateKey::from(bytes);
        match key.secret_bytes().len() {
            KEY_BYTES => Ok(Self(key)),
            _ => Err(InvalidKey),
        }
    }

    /// `whsk_` followed by the base64 of the key.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        format!("{PRIVATE_PREFIX}{}", STANDARD.encode(self.0.secret_bytes())).into()
    }

    /// Opens one version of an endpoint's secret.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        &self,
        endpoint: EndpointKey,
        version: &SecretVersion,
        sealed: &SealedSecret,
    ) -> Result<SigningSecret, OpenError> {
        let bytes = STANDARD.decode(&sealed.text).map_err(|_| OpenError)?;
        let (kind, format) = match bytes.first() {
            Some(&format) if format == TEXT_SECRET.format => (TEXT_SECRET, SecretFormat::Text),
            _ => (STANDARD_SECRET, SecretFormat::Standard),
        };
        let bound_to = associated_data(endpoint, version);
        let opened = self.open_bytes(&kind, &bound_to, &bytes)?;
        SigningSecret::from_key(&opened, format).ok_or(OpenError)
    }

    fn open_bytes(
        &self,
        kind: &Kind,
        bound_to: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let rest = sealed.strip_prefix(&[kind.format]).ok_or(OpenError)?;
        let (encapsulated, ciphertext) = rest.split_at_checked(KEY_BYTES).ok_or(OpenError)?;
        let encapsulated = EncapsulatedSecret(encapsulated.to_vec());
        let opened = SUITE.open(&encapsulated, kind.info, bound_to, ciphertext, &self.0);
        opened.map(Zeroizing::new).map_err(|_| OpenError)
    }
}

impl SealedSecret {
    /// What [`Self::as_str`] returned, with the key pair's id.
    pub fn new(key_id: SealingKeyId, text: impl Into<String>) -> Self {
        Self {
            key_id,
            text: text.into(),
        }
    }

    /// The sealed secret as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Each part behind its length, so that no two lists of parts have the same encoding.
fn associated_data(endpoint: EndpointKey, version: &SecretVersion) -> Vec<u8> {
    let app_id = endpoint.app_id.to_string();
    let parts = [
        app_id.as_bytes(),
        endpoint.endpoint_id.as_bytes(),
        version.as_str().as_bytes(),
    ];
    let encoded = parts.iter().flat_map(|part| {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        length.to_be_bytes().into_iter().chain(part.iter().copied())
    });
    encoded.collect()
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::domain::id::{AppId, EndpointId};

    fn endpoint(app_id: &str, id: &str) -> EndpointKey {
        EndpointKey {
            app_id: AppId::parse(app_id).unwrap(),
            endpoint_id: EndpointId::parse(id).unwrap(),
        }
    }

    fn acme() -> EndpointKey {
        endpoint("acme", "01890a5d-ac96-774b-bcce-b302099a8057")
    }

    fn text_of(secret: &SigningSecret) -> String {
        secret.to_text().expose_secret().to_owned()
    }

    #[test]
    fn sealed_secrets_open_with_the_private_key_only() {
        let (key, private) = SealingKey::generate().unwrap();
        let (_, other) = SealingKey::generate().unwrap();
        let version = SecretVersion::new("v1");
        let secret = SigningSecret::generate(&mut rand::rng());
        let sealed = key.seal(acme(), &version, &secret).unwrap();
        assert_eq!(sealed.key_id, key.id);
        // Read again, as from the table and from Secrets Manager.
        let sealed = SealedSecret::new(sealed.key_id, sealed.as_str());
        let private = PrivateKey::parse(private.to_text().expose_secret()).unwrap();
        let opened = private.open(acme(), &version, &sealed).unwrap();
        assert_eq!(text_of(&opened), text_of(&secret));
        let refused = other.open(acme(), &version, &sealed).unwrap_err();
        assert_eq!(refused, OpenError);
    }

    #[test]
    fn secrets_of_any_format_and_length_open() {
        let (key, private) = SealingKey::generate().unwrap();
        let version = SecretVersion::new("v1");
        let long = format!("whsec_{}", STANDARD.encode([7; 64]));
        for (text, format) in [
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                SecretFormat::Standard,
            ),
            (&long, SecretFormat::Standard),
            ("sixteen-letters.", SecretFormat::Text),
            // As long as a generated key.
            ("thirty-two-letters-thirty-two-ls", SecretFormat::Text),
        ] {
            let secret = SigningSecret::parse(text, format).unwrap();
            let sealed = key.seal(acme(), &version, &secret).unwrap();
            let opened = private.open(acme(), &version, &sealed).unwrap();
            assert_eq!(opened.format(), format);
            assert_eq!(text_of(&opened), text);
        }
    }

    #[test]
    fn secrets_sealed_twice_look_different() {
        let (key, _) = SealingKey::generate().unwrap();
        let version = SecretVersion::new("v1");
        let secret = SigningSecret::generate(&mut rand::rng());
        let [one, two] = [(), ()].map(|()| key.seal(acme(), &version, &secret).unwrap());
        assert_ne!(one, two);
    }

    #[test]
    fn sealed_secrets_open_for_their_own_endpoint_and_version_only() {
        let (key, private) = SealingKey::generate().unwrap();
        let version = SecretVersion::new("v1");
        let secret = SigningSecret::generate(&mut rand::rng());
        let sealed = key.seal(acme(), &version, &secret).unwrap();
        let same_id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let other_id = "01890a5d-ac96-774b-bcce-b302099a8058";
        for (endpoint, version) in [
            (endpoint("acme", other_id), "v1"),
            (endpoint("acme2", same_id), "v1"),
            (endpoint("acm", same_id), "v1"),
            (acme(), "v2"),
            (acme(), "v"),
            (acme(), ""),
        ] {
            let version = SecretVersion::new(version);
            let opened = private.open(endpoint, &version, &sealed);
            assert_eq!(opened.unwrap_err(), OpenError, "{endpoint:?} {version}");
        }
    }

    #[test]
    fn changed_sealed_secrets_do_not_open() {
        let (key, private) = SealingKey::generate().unwrap();
        let version = SecretVersion::new("v1");
        let secret = SigningSecret::generate(&mut rand::rng());
        let sealed = key.seal(acme(), &version, &secret).unwrap();
        let bytes = STANDARD.decode(sealed.as_str()).unwrap();
        assert_eq!(bytes.len(), 1 + 32 + 32 + 16);
        let refused = |text: String| {
            let changed = SealedSecret::new(key.id, text);
            private.open(acme(), &version, &changed).unwrap_err();
        };
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            refused(STANDARD.encode(changed));
        }
        // As if it were text.
        let mut other = bytes.clone();
        other[0] = TEXT_SECRET.format;
        refused(STANDARD.encode(other));
        for length in [0, 1, 32, 33, bytes.len() - 1] {
            refused(STANDARD.encode(&bytes[..length]));
        }
        refused(STANDARD.encode([&bytes[..], &[0]].concat()));
        refused("%".to_owned());
    }

    /// Sealed by another implementation, so that neither format nor associated data
    /// can change unnoticed.
    #[test]
    fn sealed_secrets_have_the_form_that_others_compute() {
        let private =
            PrivateKey::parse("whsk_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").unwrap();
        let key_id = SealingKeyId::parse("01890a5d-ac96-774b-bcce-b302099a8059").unwrap();
        let sealed = SealedSecret::new(
            key_id,
            "AVcUdp0Ra/dkNq50vHk9LDCtGQPFmsUnOAXH4mmLQQw2QUMFZ0DBy+7iafBa5GDaPNPeHDv5fDZMtaspwfSCTzqAkJZ38Ys0wOvjz67NRJhw",
        );
        let opened = private.open(acme(), &SecretVersion::new("v1"), &sealed);
        let expected = "whsec_ycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+g=";
        assert_eq!(text_of(&opened.unwrap()), expected);
    }

    #[test]
    fn malformed_keys_are_rejected() {
        let encoded = |length| STANDARD.encode(vec![7; length]);
        let id = SealingKeyId::new();
        assert!(PrivateKey::parse(&format!("whsk_{}", encoded(32))).is_ok());
        assert!(SealingKey::parse(id, &encoded(32)).is_ok());
        for text in ["", "%", &encoded(31), &encoded(33)] {
            assert_eq!(SealingKey::parse(id, text).unwrap_err(), InvalidKey);
            let text = format!("whsk_{text}");
            assert_eq!(PrivateKey::parse(&text).unwrap_err(), InvalidKey);
        }
        assert!(PrivateKey::parse(&encoded(32)).is_err());
    }

    #[test]
    fn debug_redacts_the_private_key() {
        let (_, private) = SealingKey::generate().unwrap();
        assert_eq!(format!("{private:?}"), "PrivateKey([REDACTED])");
    }
}
