//! Key pairs that signing secrets and own headers are sealed to.
//!
//! The private key is a secret in Secrets Manager named `<prefix>/sealing.<key id>`. IAM can
//! tell it from an endpoint's secret, which is named one level deeper, under an app id that
//! contains no full stop. The public key of the current pair is an item of the table.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use super::error::{AwsError, During, Malformed, StoreError, has_code};
use super::secret_cache::{CacheKey, Found};
use super::secrets::{Secrets, TABLE_TAG, is_gone, tag};
use super::table::Table;
use crate::domain::endpoint::{EndpointKey, SecretVersion};
use crate::domain::id::SealingKeyId;
use crate::domain::own_headers::OwnHeaders;
use crate::domain::sealing::{PrivateKey, SealedSecret, SealingKey};
use crate::domain::secret::KeptHeaders;
use crate::domain::signing::SigningSecret;

/// What follows the prefix in a private key's name.
const KIND: &str = "sealing.";

/// The key that new signing secrets are sealed to. Cheap to clone; clones share the cached
/// key.
#[derive(Debug, Clone)]
pub struct SealingKeys {
    table: Table,
    secrets: Secrets,
    /// May be outdated. A write of a sealed secret checks in its transaction that the key is
    /// still current, and the caller then calls [`SealingKeys::forget`]. The lock is held
    /// while the key is read or created, so that concurrent requests do that once.
    current: Arc<Mutex<Option<SealingKey>>>,
}

impl SealingKeys {
    pub(super) fn new(table: Table, secrets: Secrets) -> Self {
        Self {
            table,
            secrets,
            current: Arc::default(),
        }
    }

    /// The current key. Creates the first one if there is none. No call if it is cached;
    /// otherwise one `GetItem`, and to create it a `CreateSecret` and a `PutItem`.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn current(&self, now: Timestamp) -> Result<SealingKey, StoreError> {
        let mut current = self.current.lock().await;
        if let Some(key) = &*current {
            return Ok(key.clone());
        }
        let key = match self.table.sealing_key().await? {
            Some(found) => found.key,
            None => self.make_first(now).await?,
        };
        Ok(current.insert(key).clone())
    }

    /// Drops `key` from the cache because it is no longer current. Does nothing if another
    /// request has replaced it already.
    pub async fn forget(&self, key: SealingKeyId) {
        let mut current = self.current.lock().await;
        current.take_if(|known| known.id == key);
    }

    /// Stores the private half of a new key pair. One `CreateSecret`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn store_private(
        &self,
        id: SealingKeyId,
        key: &PrivateKey,
    ) -> Result<(), StoreError> {
        let table = self.table.name();
        self.secrets.store_private_key(id, key, table).await
    }

    /// Stores the private key first: with only the public key in the table, secrets would be
    /// sealed that nobody can open. If another process is faster, or this one is interrupted
    /// in between, the sweep removes the unused private key.
    async fn make_first(&self, now: Timestamp) -> Result<SealingKey, StoreError> {
        const OPERATION: &str = "Creation of the first sealing key";
        let (key, private) = SealingKey::generate()
            .map_err(Malformed::from)
            .during(OPERATION)?;
        self.store_private(key.id, &private).await?;
        if self.table.put_first_sealing_key(&key, now).await? {
            return Ok(key);
        }
        let found = self.table.sealing_key().await?;
        let found = found.ok_or_else(|| AwsError::unavailable(OPERATION, "the key disappeared"))?;
        Ok(found.key)
    }
}

impl Secrets {
    async fn store_private_key(
        &self,
        id: SealingKeyId,
        key: &PrivateKey,
        table: &str,
    ) -> Result<(), StoreError> {
        let created = self
            .client
            .create_secret()
            .name(self.private_key_name(id))
            .description("Private key that opens the sealed signing secrets of webhook endpoints")
            .secret_string(key.to_text().expose_secret())
            // Keeps a sweep from removing the key of another stack with the same prefix.
            .tags(tag(TABLE_TAG, table))
            .send()
            .await;
        match created {
            Ok(_) => Ok(()),
            // The id is new, so it was an earlier try of the SDK that stored it.
            Err(error) if has_code(&error, "ResourceExistsException") => Ok(()),
            Err(error) => Err(error).during("CreateSecret of a private key"),
        }
    }

    /// Removes a private key. It can be restored for
    /// [`RECOVERY_DAYS`](super::secrets::RECOVERY_DAYS). Does nothing if there is none. One
    /// `DeleteSecret`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn retire_private_key(&self, id: SealingKeyId) -> Result<(), StoreError> {
        self.retire_named(self.private_key_name(id)).await
    }

    /// Opens a sealed secret. `None` if its private key does not exist.
    pub(super) async fn open(
        &self,
        endpoint: EndpointKey,
        version: &SecretVersion,
        sealed: &SealedSecret,
    ) -> Found<SigningSecret> {
        let Some(private) = self.private_key(sealed.key_id).await? else {
            return Ok(None);
        };
        let opened = private.open(endpoint, version, sealed);
        let secret = opened.map_err(Malformed::from);
        Ok(Some(Arc::new(
            secret.during("Opening of a signing secret")?,
        )))
    }

    /// Opens an endpoint's own headers. `None` if their private key does not exist.
    pub(super) async fn open_headers(
        &self,
        endpoint: EndpointKey,
        kept: &KeptHeaders,
    ) -> Found<OwnHeaders> {
        let KeptHeaders {
            version, sealed, ..
        } = kept;
        let Some(private) = self.private_key(sealed.key_id).await? else {
            return Ok(None);
        };
        let opened = private.open_headers(endpoint, version, sealed);
        let headers = opened.map_err(Malformed::from);
        Ok(Some(Arc::new(headers.during("Opening of own headers")?)))
    }

    async fn private_key(&self, id: SealingKeyId) -> Found<PrivateKey> {
        let read = || {
            let secrets = self.clone();
            async move { secrets.read_private_key(id).await }
        };
        let cache_key = CacheKey::of_sealing_key(id);
        self.private_keys.get_or_read(cache_key, read).await
    }

    async fn read_private_key(&self, id: SealingKeyId) -> Found<PrivateKey> {
        const OPERATION: &str = "GetSecretValue of a private key";
        let name = self.private_key_name(id);
        let found = match self.client.get_secret_value().secret_id(name).send().await {
            Ok(found) => found,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error).during(OPERATION),
        };
        let text = found.secret_string().ok_or("the secret has no string");
        let key = text
            .map_err(Malformed::from)
            .and_then(|text| PrivateKey::parse(text).map_err(Malformed::from));
        Ok(Some(Arc::new(key.during(OPERATION)?)))
    }

    /// Inverse of [`Self::private_key_name`].
    pub(super) fn sealing_key_of(&self, name: &str) -> Option<SealingKeyId> {
        let rest = name.strip_prefix(&self.prefix)?.strip_prefix('/')?;
        let id = SealingKeyId::parse(rest.strip_prefix(KIND)?).ok()?;
        // Names are case-sensitive, but UUIDs parse in any case.
        (self.private_key_name(id) == name).then_some(id)
    }

    fn private_key_name(&self, id: SealingKeyId) -> String {
        format!("{}/{KIND}{id}", self.prefix)
    }
}
