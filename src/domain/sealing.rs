//! Seals signing secrets and own headers to the public key of a key pair, so that the function
//! that seals them can't open them. This is HPKE (RFC 9180) in base mode, with DHKEM(X25519,
//! HKDF-SHA256), HKDF-SHA256 and AES-256-GCM.
//!
//! A sealed message is a format byte, the encapsulated key (32 bytes) and the ciphertext, which
//! is 16 bytes longer than the plaintext. App, endpoint and version are the associated data, so
//! a message that is copied to another endpoint's item, or given another version, does not open.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey, HpkePublicKey};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::endpoint::{EndpointKey, SecretVersion};
use super::id::SealingKeyId;
use super::own_headers::OwnHeaders;
use super::signing::{SecretFormat, SigningSecret};

static SUITE: &dyn Hpke = DH_KEM_X25519_HKDF_SHA256_AES_256;

/// The kind of a sealed message: its format byte, and the HPKE `info` that separates the kinds
/// cryptographically. A message whose format byte is changed does not open.
struct Kind {
    format: u8,
    info: &'static [u8],
}

/// The key of a signing secret in standard format.
const STANDARD_SECRET: Kind = Kind {
    format: 1,
    info: b"webhook-endpoints signing secret",
};

/// A signing secret in text format.
const TEXT_SECRET: Kind = Kind {
    format: 2,
    info: b"webhook-endpoints text secret",
};

/// An endpoint's own headers, as lines.
const HEADERS: Kind = Kind {
    format: 3,
    info: b"webhook-endpoints own headers",
};

const KEY_BYTES: usize = 32;

const PRIVATE_PREFIX: &str = "whsk_";

/// The public key of a key pair, with the pair's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingKey {
    /// Identifies the key pair, and names the private key in Secrets Manager.
    pub id: SealingKeyId,
    public: [u8; KEY_BYTES],
}

/// The private key of a key pair, zeroed on drop and redacted by `Debug`.
pub struct PrivateKey(HpkePrivateKey);

/// A sealed signing secret, as base64. Not confidential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// The key pair that opens it.
    pub key_id: SealingKeyId,
    text: String,
}

/// An endpoint's sealed own headers. Not confidential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedHeaders {
    /// The key pair that opens them.
    pub key_id: SealingKeyId,
    /// The bytes, as they are stored.
    pub bytes: Vec<u8>,
}

/// The text is not a public or private key of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a sealing key")]
pub struct InvalidKey;

/// The cryptographic library failed to make a key pair or to seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to seal a secret")]
pub struct SealError;

/// The message does not open. It was changed, belongs to another endpoint or version, or was
/// sealed to another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed secret does not open")]
pub struct OpenError;

impl SealingKey {
    /// Generates a key pair.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library fails.
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
    /// [`InvalidKey`] for any other text.
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

    /// Seals an endpoint's secret of this version.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library fails.
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

    /// Seals an endpoint's own headers of this version.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library fails.
    pub fn seal_headers(
        &self,
        endpoint: EndpointKey,
        version: &SecretVersion,
        headers: &OwnHeaders,
    ) -> Result<SealedHeaders, SealError> {
        let bound_to = associated_data(endpoint, version);
        let lines = headers.to_lines();
        Ok(SealedHeaders {
            key_id: self.id,
            bytes: self.seal_bytes(&HEADERS, &bound_to, lines.as_bytes())?,
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
    /// [`InvalidKey`] for any other text.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let encoded = text.strip_prefix(PRIVATE_PREFIX).ok_or(InvalidKey)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidKey)?;
        // Wrapped before the check, so that rejected bytes are zeroed too.
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

    /// Opens an endpoint's secret of this version.
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
        // The format byte only selects what to try: if it was changed, the `info` differs and
        // the message does not open.
        let (kind, format) = match bytes.first() {
            Some(&format) if format == TEXT_SECRET.format => (TEXT_SECRET, SecretFormat::Text),
            _ => (STANDARD_SECRET, SecretFormat::Standard),
        };
        let bound_to = associated_data(endpoint, version);
        let opened = self.open_bytes(&kind, &bound_to, &bytes)?;
        SigningSecret::from_key(&opened, format).ok_or(OpenError)
    }

    /// Opens an endpoint's own headers of this version.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_headers(
        &self,
        endpoint: EndpointKey,
        version: &SecretVersion,
        sealed: &SealedHeaders,
    ) -> Result<OwnHeaders, OpenError> {
        let bound_to = associated_data(endpoint, version);
        let lines = self.open_bytes(&HEADERS, &bound_to, &sealed.bytes)?;
        OwnHeaders::from_lines(&lines).ok_or(OpenError)
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
    /// Restores a sealed secret from its key pair's id and the output of [`Self::as_str`].
    pub fn new(key_id: SealingKeyId, text: impl Into<String>) -> Self {
        Self {
            key_id,
            text: text.into(),
        }
    }

    /// The sealed message as base64.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The associated data of a message. Every part has its length in front, so different parts
/// can't have the same encoding.
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
mod tests;
