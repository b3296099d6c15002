//! API keys: shown once, stored as their SHA-256 only.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rand::{CryptoRng, RngExt, distr::Alphanumeric};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::id::{AppId, KeyId};

/// Base62 characters of a key: 43 carry 256 bits.
const RANDOM_CHARS: usize = 43;
const MAX_PREFIX_BYTES: usize = 32;

/// A key as its holder has it: `<prefix>_<43 base62 characters>`. The prefix
/// tells a person or a secret scanner what it is. Never shown by `Debug`.
#[derive(Debug, Clone)]
pub struct ApiKey(SecretString);

/// The prefix has other characters than `[A-Za-z0-9_]`, or not 1 to 32 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the prefix must be 1 to 32 letters, digits and underscores")]
pub struct InvalidPrefix;

impl ApiKey {
    /// A new key.
    ///
    /// # Errors
    /// [`InvalidPrefix`].
    pub fn generate(prefix: &str, rng: &mut impl CryptoRng) -> Result<Self, InvalidPrefix> {
        if !is_prefix(prefix) {
            return Err(InvalidPrefix);
        }
        let random: String = rng
            .sample_iter(Alphanumeric)
            .take(RANDOM_CHARS)
            .map(char::from)
            .collect();
        Ok(Self(format!("{prefix}_{random}").into()))
    }

    /// Reads a key as a caller sent it. `None` when it can't be a key, which
    /// saves looking it up.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, random) = text.rsplit_once('_')?;
        let well_formed = is_prefix(prefix)
            && random.len() == RANDOM_CHARS
            && random.bytes().all(|b| b.is_ascii_alphanumeric());
        well_formed.then(|| Self(text.into()))
    }

    /// What is stored of the key. The key has 256 random bits, so a fast hash
    /// is enough: there is nothing to guess from a list.
    #[must_use]
    pub fn hash(&self) -> ApiKeyHash {
        ApiKeyHash(Sha256::digest(self.0.expose_secret()).into())
    }

    /// The last four characters, by which a person tells keys apart.
    #[must_use]
    pub fn hint(&self) -> String {
        let text = self.0.expose_secret();
        text[text.len() - 4..].to_owned()
    }

    /// The key itself, for showing it to its holder once.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The SHA-256 of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApiKeyHash([u8; 32]);

impl ApiKeyHash {
    /// The hash of these 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ApiKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// What is known of a key without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// For listing and revoking.
    pub id: KeyId,
    /// The app that the key belongs to.
    pub app_id: AppId,
    /// What stands for the key in the table.
    pub hash: ApiKeyHash,
    /// The key's last four characters.
    pub hint: String,
    /// A note of the operator, e.g. who holds the key. May be empty.
    pub label: String,
    /// When the key was made.
    pub created_at: Timestamp,
    /// Since when the key is refused, if it is.
    pub revoked_at: Option<Timestamp>,
}

fn is_prefix(prefix: &str) -> bool {
    (1..=MAX_PREFIX_BYTES).contains(&prefix.len())
        && prefix
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_read_again_and_hashes_alike() {
        let key = ApiKey::generate("whk_live", &mut rand::rng()).unwrap();
        assert!(key.expose().starts_with("whk_live_"));
        let read = ApiKey::parse(key.expose()).unwrap();
        assert_eq!(read.hash(), key.hash());
        assert!(key.expose().ends_with(&key.hint()));
    }

    #[test]
    fn the_hash_is_sha_256_of_the_whole_text() {
        let text = format!("whk_{}", "A".repeat(43));
        assert_eq!(
            ApiKey::parse(&text).unwrap().hash().to_string(),
            URL_SAFE_NO_PAD.encode(Sha256::digest(&text))
        );
    }

    #[test]
    fn what_cannot_be_a_key_is_not_read() {
        let random = "A".repeat(43);
        for wrong in [
            String::new(),
            random.clone(),
            format!("_{random}"),
            format!("whk-{random}"),
            format!("whk_{random}A"),
            format!("whk_{}", &random[1..]),
            format!("whk_{}é", &random[2..]),
            format!("w k_{random}"),
            format!("{}_{random}", "p".repeat(33)),
        ] {
            assert!(ApiKey::parse(&wrong).is_none(), "{wrong}");
        }
        for prefix in ["", "a-b", "é", &"p".repeat(33)] {
            assert_eq!(
                ApiKey::generate(prefix, &mut rand::rng()).unwrap_err(),
                InvalidPrefix
            );
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let key = ApiKey::generate("whk", &mut rand::rng()).unwrap();
        assert!(!format!("{key:?}").contains(&key.hint()));
    }
}
