//! API keys. A key is shown only once, when it is made; the table has only its SHA-256.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rand::{CryptoRng, RngExt, distr::Alphanumeric};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::id::{AppId, KeyId};
use super::scope::{Grant, Scope};

/// 43 base62 characters have 256 bits of entropy.
const RANDOM_CHARS: usize = 43;
const MAX_PREFIX_BYTES: usize = 32;

/// The prefix of keys if none is chosen.
pub const DEFAULT_PREFIX: &str = "whk";

/// The last part of the prefix of platform keys. They are stored under other table keys than
/// the keys of apps, and the prefix tells where to look a key up.
const PLATFORM: &str = "platform";

/// The last part of the prefix of portal sessions' tokens, for the same reason.
const SESSION: &str = "session";

/// An API key in plain text: `<prefix>_<43 base62 characters>`. The prefix lets people and
/// secret scanners recognize it. `Debug` redacts it.
#[derive(Debug, Clone)]
pub struct ApiKey(SecretString);

/// The prefix does not match `[A-Za-z0-9_]{1,32}`, or has a reserved ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the prefix must be 1 to 32 letters, digits and underscores, and must not end with platform \
     or session, which the service itself adds to keys of the platform and to sessions"
)]
pub struct InvalidPrefix;

impl ApiKey {
    /// Generates a random key. The prefix of platform keys and sessions is extended by their
    /// kind.
    ///
    /// # Errors
    /// [`InvalidPrefix`] if the prefix is malformed, or has the ending of another kind.
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

    /// Parses a key from a request. `None` if it is malformed, which saves the lookup.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, random) = text.rsplit_once('_')?;
        let well_formed = is_prefix(prefix)
            && random.len() == RANDOM_CHARS
            && random.bytes().all(|b| b.is_ascii_alphanumeric());
        well_formed.then(|| Self(text.into()))
    }

    /// The hash under which the key is stored. A fast hash is enough: with 256 random bits, a
    /// key can't be found by brute force or in a dictionary.
    #[must_use]
    pub fn hash(&self) -> ApiKeyHash {
        let text = self.0.expose_secret();
        let prefix = text.rsplit_once('_').map_or("", |(prefix, _)| prefix);
        ApiKeyHash {
            kind: KeyKind::of_prefix(prefix),
            sha256: Sha256::digest(text).into(),
        }
    }

    /// The last four characters, by which people can recognize a key in a list.
    #[must_use]
    pub fn hint(&self) -> String {
        let text = self.0.expose_secret();
        text[text.len() - 4..].to_owned()
    }

    /// The key in plain text, to be shown to its holder once.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Where a key is stored. Each kind has its own prefix of table keys. The API's IAM role can't
/// write under that of platform keys, so no bug in the API can make one. And no wrong attribute
/// can turn a session into a key of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// A key of one app.
    App,
    /// A key of the platform, for all apps.
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
    /// Restores a hash from its parts.
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

/// The stored record of a key or a session. It does not contain the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Identifies the key in listings and revocations.
    pub id: KeyId,
    /// What the key allows, and for which app.
    pub grant: Grant,
    /// The hash by which the key is looked up.
    pub hash: ApiKeyHash,
    /// The key's last four characters.
    pub hint: String,
    /// A note, such as who holds the key. May be empty.
    pub label: String,
    /// When the key was made.
    pub created_at: Timestamp,
    /// When the key expires, in whole seconds. `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When the key was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKeyRecord {
    /// The record of a new key, with a new id.
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

    /// Whether the key is neither revoked nor expired.
    #[must_use]
    pub fn is_in_use(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
}

/// A validated request for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What the key is to allow, and for which app.
    pub grant: Grant,
    /// A note, such as who holds the key. May be empty.
    pub label: String,
    /// When the key is to expire. `None`: never.
    pub expires_at: Option<Timestamp>,
}

impl NewKey {
    /// A key that allows everything within one app, and does not expire.
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

/// What authentication has to know about a valid key. Small enough to be cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyAccess {
    /// What the key allows, and for which app.
    pub grant: Grant,
    /// When the key expires. Checked on every use, because the key may be cached.
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
    fn prefix_determines_the_kind_of_a_key() {
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
        assert_eq!(key.hint().len(), 4);
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
