//! API keys. A key is shown once; only its SHA-256 hash is stored.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rand::{CryptoRng, RngExt, distr::Alphanumeric};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::id::{AppId, KeyId};
use super::scope::{Grant, Scope};

/// 43 base62 characters hold 256 bits.
const RANDOM_CHARS: usize = 43;
const MAX_PREFIX_BYTES: usize = 32;

/// Prefix of keys, unless whoever makes one chooses another.
pub const DEFAULT_PREFIX: &str = "whk";

/// How the prefix of the platform's keys ends. Its keys are stored apart, and this says
/// where to look a key up.
const PLATFORM: &str = "platform";

/// How the prefix of the tokens of portal sessions ends, for the same reason.
const SESSION: &str = "session";

/// An API key in plain text: `<prefix>_<43 base62 characters>`. People and secret
/// scanners recognize it by its prefix. `Debug` redacts it.
#[derive(Debug, Clone)]
pub struct ApiKey(SecretString);

/// The prefix does not match `[A-Za-z0-9_]{1,32}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the prefix must be 1 to 32 letters, digits and underscores, and must not end with platform \
     or session, which the service itself adds to keys of the platform and to sessions"
)]
pub struct InvalidPrefix;

impl ApiKey {
    /// Generates a random key. Keys of the platform and sessions get a prefix that says
    /// so.
    ///
    /// # Errors
    /// If the prefix is invalid.
    pub fn generate(
        prefix: &str,
        kind: KeyKind,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, InvalidPrefix> {
        let whole = match kind {
            KeyKind::Platform => format!("{prefix}_{PLATFORM}"),
            KeyKind::Session => format!("{prefix}_{SESSION}"),
            KeyKind::App => prefix.to_owned(),
        };
        if prefix.is_empty() || !is_prefix(&whole) || KeyKind::of_prefix(&whole) != kind {
            return Err(InvalidPrefix);
        }
        let random: String = rng
            .sample_iter(Alphanumeric)
            .take(RANDOM_CHARS)
            .map(char::from)
            .collect();
        Ok(Self(format!("{whole}_{random}").into()))
    }

    /// Parses a key from a request. Returns `None` if it is malformed, which
    /// saves a lookup.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, random) = text.rsplit_once('_')?;
        let well_formed = is_prefix(prefix)
            && random.len() == RANDOM_CHARS
            && random.bytes().all(|b| b.is_ascii_alphanumeric());
        well_formed.then(|| Self(text.into()))
    }

    /// The hash under which the key is stored. A fast hash is enough, because a
    /// key with 256 random bits can't be found by brute force or in a dictionary.
    #[must_use]
    pub fn hash(&self) -> ApiKeyHash {
        let text = self.0.expose_secret();
        let prefix = text.rsplit_once('_').map_or("", |(prefix, _)| prefix);
        ApiKeyHash {
            kind: KeyKind::of_prefix(prefix),
            sha256: Sha256::digest(text).into(),
        }
    }

    /// The last four characters, so that people can tell keys apart.
    #[must_use]
    pub fn hint(&self) -> String {
        let text = self.0.expose_secret();
        text[text.len() - 4..].to_owned()
    }

    /// The key in plain text, to show it to its holder once.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Where a key is stored. The API's role can't write to where the platform's keys are,
/// so that nothing which goes wrong in the API can make one. Sessions are apart from an
/// app's keys, so that no attribute of theirs can make one a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// A key of an app.
    App,
    /// A key of the platform.
    Platform,
    /// A portal session.
    Session,
}

impl KeyKind {
    /// The kind of keys with this grant.
    #[must_use]
    pub const fn of(grant: Grant) -> Self {
        match grant {
            Grant::Platform => Self::Platform,
            Grant::App { .. } => Self::App,
            Grant::Session { .. } => Self::Session,
        }
    }

    fn of_prefix(prefix: &str) -> Self {
        match prefix.rsplit('_').next() {
            Some(PLATFORM) => Self::Platform,
            Some(SESSION) => Self::Session,
            _ => Self::App,
        }
    }
}

/// The SHA-256 hash of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApiKeyHash {
    /// Where the key is stored.
    pub kind: KeyKind,
    sha256: [u8; 32],
}

impl ApiKeyHash {
    /// Wraps an existing hash.
    #[must_use]
    pub fn from_bytes(kind: KeyKind, sha256: [u8; 32]) -> Self {
        Self { kind, sha256 }
    }
}

impl fmt::Display for ApiKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.sha256))
    }
}

/// The stored record of a key. It does not contain the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Identifies the key in listings and revocations.
    pub id: KeyId,
    /// What the key allows, and where.
    pub grant: Grant,
    /// The hash that identifies the key in the table.
    pub hash: ApiKeyHash,
    /// The key's last four characters.
    pub hint: String,
    /// The operator's note, e.g. who holds the key. May be empty.
    pub label: String,
    /// When the key was created.
    pub created_at: Timestamp,
    /// From when on it is rejected, in whole seconds. `None` if it does not expire.
    pub expires_at: Option<Timestamp>,
    /// When the key was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKeyRecord {
    /// The record of a new key.
    #[must_use]
    pub fn new(key: &ApiKey, new: NewKey, now: Timestamp) -> Self {
        Self {
            id: KeyId::new(),
            grant: new.grant,
            hash: key.hash(),
            hint: key.hint(),
            label: new.label,
            created_at: now,
            expires_at: new
                .expires_at
                .and_then(|at| Timestamp::from_second(at.as_second()).ok()),
            revoked_at: None,
        }
    }

    /// Whether it works now.
    #[must_use]
    pub fn is_in_use(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
}

/// A key that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What it allows, and where.
    pub grant: Grant,
    /// A note about it. May be empty.
    pub label: String,
    /// From when on it is rejected.
    pub expires_at: Option<Timestamp>,
}

impl NewKey {
    /// A key that allows everything in one app, and does not expire.
    #[must_use]
    pub fn of_app(app_id: AppId, label: impl Into<String>) -> Self {
        Self {
            grant: Grant::App {
                app_id,
                scope: Scope::All,
            },
            label: label.into(),
            expires_at: None,
        }
    }
}

/// What is known of a key that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyAccess {
    /// What it allows, and where.
    pub grant: Grant,
    /// From when on it is rejected.
    pub expires_at: Option<Timestamp>,
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
    fn kinds_of_keys_are_told_by_their_prefix() {
        let found = |prefix: &str, kind| {
            let key = ApiKey::generate(prefix, kind, &mut rand::rng()).ok()?;
            let read = ApiKey::parse(key.expose()).unwrap();
            assert_eq!(read.hash(), key.hash());
            Some(read.hash().kind)
        };
        for prefix in ["whk", "whk_live", "platform_whk", "myplatform", "sessions"] {
            for kind in [KeyKind::App, KeyKind::Platform, KeyKind::Session] {
                assert_eq!(found(prefix, kind), Some(kind), "{prefix}");
            }
        }
        for reserved in ["platform", "whk_platform", "session", "whk_session"] {
            assert_eq!(found(reserved, KeyKind::App), None, "{reserved}");
        }
    }

    #[test]
    fn generated_keys_round_trip() {
        let key = ApiKey::generate("whk_live", KeyKind::App, &mut rand::rng()).unwrap();
        assert!(key.expose().starts_with("whk_live_"));
        let read = ApiKey::parse(key.expose()).unwrap();
        assert_eq!(read.hash(), key.hash());
        assert!(key.expose().ends_with(&key.hint()));
    }

    #[test]
    fn hash_covers_prefix_and_random_part() {
        let text = format!("whk_{}", "A".repeat(43));
        assert_eq!(
            ApiKey::parse(&text).unwrap().hash().to_string(),
            URL_SAFE_NO_PAD.encode(Sha256::digest(&text))
        );
    }

    #[test]
    fn malformed_keys_and_prefixes_are_rejected() {
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
                ApiKey::generate(prefix, KeyKind::App, &mut rand::rng()).unwrap_err(),
                InvalidPrefix
            );
        }
    }

    #[test]
    fn debug_redacts_the_key() {
        let key = ApiKey::generate("whk", KeyKind::App, &mut rand::rng()).unwrap();
        assert!(!format!("{key:?}").contains(&key.hint()));
    }
}
