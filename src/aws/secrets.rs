//! Secrets Manager.
//!
//! An endpoint whose signing secret is kept here has one secret, named
//! `<prefix>/<app id>/<endpoint id>`, with one version per rotation. Signing secrets that
//! are sealed in their endpoints' items share one secret, the private key of
//! [`sealing_keys`](super::sealing_keys).

use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::delete_secret::builders::DeleteSecretFluentBuilder;
use aws_sdk_secretsmanager::primitives::DateTime;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry, Tag};
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::LazyClient;
use super::error::{AwsError, During, Malformed, StoreError, has_code};
use super::secret_cache::{CacheKey, Found, MAX_HEADERS, MAX_SECRETS, SecretCache};
use crate::domain::endpoint::{Endpoint, EndpointKey, SecretVersion};
use crate::domain::id::{AppId, EndpointId, SealingKeyId};
use crate::domain::own_headers::OwnHeaders;
use crate::domain::sealing::PrivateKey;
use crate::domain::secret::{KeptHeaders, KeptSecret, SecretPlace};
use crate::domain::signing::SigningSecret;

/// Number of days for which a secret that was removed by [`Secrets::retire`] can be restored.
/// The minimum that Secrets Manager accepts.
pub const RECOVERY_DAYS: u8 = 7;

/// The secrets of one deployment. Cheap to clone; clones share the caches.
#[derive(Debug, Clone)]
pub struct Secrets {
    pub(super) client: LazyClient<Client>,
    pub(super) prefix: String,
    cache: SecretCache<SigningSecret>,
    pub(super) private_keys: SecretCache<PrivateKey>,
    headers: SecretCache<OwnHeaders>,
}

/// A secret as [`Secrets::list`] returns it, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// The owner in the secret's name. It may no longer exist.
    pub of: SecretOf,
    /// When the first version was stored.
    pub created_at: Timestamp,
    /// When the last version was stored, or the secret was changed in another way.
    pub changed_at: Timestamp,
    /// The name of the table that a private key belongs to. `None` for a signing secret.
    pub table: Option<String>,
}

/// The owner of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretOf {
    /// The secret is this endpoint's signing secret.
    Endpoint(EndpointKey),
    /// The secret is this key pair's private key.
    SealingKey(SealingKeyId),
}

impl Secrets {
    /// A handle to the secrets whose names begin with `<prefix>/`. Makes no call.
    pub fn new(client: impl Into<LazyClient<Client>>, prefix: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            prefix: prefix.into(),
            cache: SecretCache::with_capacity(MAX_SECRETS),
            private_keys: SecretCache::with_capacity(MAX_SECRETS),
            headers: SecretCache::with_capacity(MAX_HEADERS),
        }
    }

    /// Stores a new endpoint's first secret. One `CreateSecret`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn create(
        &self,
        endpoint: EndpointKey,
        secret: &SigningSecret,
    ) -> Result<SecretVersion, StoreError> {
        const OPERATION: &str = "CreateSecret";
        let created = self
            .client
            .create_secret()
            .name(self.name(endpoint))
            .description("Signing secret of a webhook endpoint")
            .secret_string(secret.to_stored().expose_secret())
            .tags(tag("webhook-endpoints:app", endpoint.app_id))
            .tags(tag("webhook-endpoints:endpoint", endpoint.endpoint_id))
            .send()
            .await;
        match created {
            Ok(created) => version(created.version_id).during(OPERATION),
            // Secrets Manager frees the name of a deleted secret only after a moment.
            Err(error) if has_code(&error, INVALID_REQUEST) => {
                Err(AwsError::unavailable(OPERATION, error).into())
            }
            Err(error) => Err(error).during(OPERATION),
        }
    }

    /// Stores another version of an endpoint's secret. It signs nothing until the endpoint's
    /// item names it. If the secret was removed, restores it or creates a new one. One
    /// `PutSecretValue`; for a removed secret, also a `CreateSecret`, or a `RestoreSecret` and
    /// another `PutSecretValue`.
    ///
    /// # Errors
    /// If a call fails. The kind is [`Unavailable`](super::AwsErrorKind::Unavailable) while
    /// Secrets Manager is removing the old secret for good.
    pub async fn put_next(
        &self,
        endpoint: EndpointKey,
        secret: &SigningSecret,
    ) -> Result<SecretVersion, StoreError> {
        const OPERATION: &str = "PutSecretValue";
        let put = || {
            self.client
                .put_secret_value()
                .secret_id(self.name(endpoint))
                .secret_string(secret.to_stored().expose_secret())
                .send()
        };
        let put = match put().await {
            Err(error) if has_code(&error, NOT_FOUND) => {
                return self.create(endpoint, secret).await;
            }
            // The secret is scheduled for deletion, and its name is taken until then.
            Err(error) if has_code(&error, INVALID_REQUEST) => {
                self.restore(endpoint).await?;
                put().await
            }
            put => put,
        };
        version(put.during(OPERATION)?.version_id).during(OPERATION)
    }

    /// Restores a secret that is scheduled for deletion. Does nothing if there is none. One
    /// `RestoreSecret`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn restore(&self, endpoint: EndpointKey) -> Result<(), StoreError> {
        let name = self.name(endpoint);
        match self.client.restore_secret().secret_id(name).send().await {
            Ok(_) => Ok(()),
            Err(error) if has_code(&error, NOT_FOUND) => Ok(()),
            Err(error) => Err(error).during("RestoreSecret"),
        }
    }

    /// The endpoint's current secret. See [`Self::kept`].
    ///
    /// # Errors
    /// If the call fails, or a sealed secret does not open.
    pub async fn of(&self, endpoint: &Endpoint) -> Found<SigningSecret> {
        self.kept(endpoint.key, &endpoint.secret).await
    }

    /// One of an endpoint's secrets. `None` if the version, or the key that it is sealed to,
    /// no longer exists: the endpoint was then read before a change. No call if the version,
    /// or the private key that opens it, is cached. Otherwise one `GetSecretValue`, shared by
    /// all concurrent callers.
    ///
    /// # Errors
    /// If the call fails, or a sealed secret does not open.
    pub async fn kept(&self, key: EndpointKey, kept: &KeptSecret) -> Found<SigningSecret> {
        let cache_key = CacheKey::of_version(key.endpoint_id, &kept.version);
        let read = || {
            let (secrets, kept) = (self.clone(), kept.clone());
            async move {
                match &kept.place {
                    SecretPlace::SecretsManager { version } => secrets.read(key, version).await,
                    SecretPlace::Sealed(sealed) => secrets.open(key, &kept.version, sealed).await,
                }
            }
        };
        self.cache.get_or_read(cache_key, read).await
    }

    /// An endpoint's own headers. `None` if the key that they are sealed to does not exist. No
    /// call if the private key is cached, otherwise one `GetSecretValue`.
    ///
    /// # Errors
    /// If the call fails, or the headers do not open.
    pub async fn headers(&self, key: EndpointKey, kept: &KeptHeaders) -> Found<OwnHeaders> {
        let cache_key = CacheKey::of_version(key.endpoint_id, &kept.version);
        let read = || {
            let (secrets, kept) = (self.clone(), kept.clone());
            async move { secrets.open_headers(key, &kept).await }
        };
        self.headers.get_or_read(cache_key, read).await
    }

    async fn read(&self, endpoint: EndpointKey, version: &SecretVersion) -> Found<SigningSecret> {
        const OPERATION: &str = "GetSecretValue";
        let found = self
            .client
            .get_secret_value()
            .secret_id(self.name(endpoint))
            .version_id(version.as_str())
            .send()
            .await;
        match found {
            Ok(found) => {
                let secret = parse(found.secret_string()).during(OPERATION)?;
                Ok(Some(Arc::new(secret)))
            }
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error).during(OPERATION),
        }
    }

    /// Removes an endpoint's secret with all versions, immediately and for good. Does nothing
    /// if there is none. One `DeleteSecret`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn delete(&self, endpoint: EndpointKey) -> Result<(), StoreError> {
        let secret = self.deletion_of(self.name(endpoint));
        send_deletion(secret.force_delete_without_recovery(true)).await
    }

    /// Removes an endpoint's secret, but lets it be restored for [`RECOVERY_DAYS`]. For
    /// removals that nobody asked for, such as cleaning up. The secret can no longer be read
    /// and costs nothing. Does nothing if there is none. One `DeleteSecret`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn retire(&self, endpoint: EndpointKey) -> Result<(), StoreError> {
        self.retire_named(self.name(endpoint)).await
    }

    pub(super) async fn retire_named(&self, name: String) -> Result<(), StoreError> {
        let secret = self.deletion_of(name);
        send_deletion(secret.recovery_window_in_days(RECOVERY_DAYS.into())).await
    }

    /// All secrets of the deployment, in no particular order. Secrets that were stored within
    /// the last minutes may be missing. Leaves out secrets whose names have another form,
    /// because they are not ours. One `ListSecrets` for every 100 secrets.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn list(&self) -> Result<Vec<StoredSecret>, StoreError> {
        const OPERATION: &str = "ListSecrets";
        let below_prefix = Filter::builder()
            .key(FilterNameStringType::Name)
            .values(format!("{}/", self.prefix))
            .build();
        let mut pages = self
            .client
            .list_secrets()
            .filters(below_prefix)
            .max_results(100)
            .into_paginator()
            .send();
        let mut secrets = Vec::new();
        while let Some(page) = pages.next().await {
            for entry in page.during(OPERATION)?.secret_list.unwrap_or_default() {
                let named = entry.name().and_then(|name| self.named_after(name));
                if let Some(of) = named {
                    secrets.push(stored(of, &entry).during(OPERATION)?);
                }
            }
        }
        Ok(secrets)
    }

    fn deletion_of(&self, name: String) -> DeleteSecretFluentBuilder {
        self.client.delete_secret().secret_id(name)
    }

    fn named_after(&self, name: &str) -> Option<SecretOf> {
        let endpoint = self.endpoint_of(name).map(SecretOf::Endpoint);
        endpoint.or_else(|| self.sealing_key_of(name).map(SecretOf::SealingKey))
    }

    /// Inverse of [`Self::name`].
    fn endpoint_of(&self, name: &str) -> Option<EndpointKey> {
        let rest = name.strip_prefix(&self.prefix)?.strip_prefix('/')?;
        let (app_id, endpoint_id) = rest.split_once('/')?;
        let endpoint = EndpointKey {
            app_id: AppId::parse(app_id).ok()?,
            endpoint_id: EndpointId::parse(endpoint_id).ok()?,
        };
        // Names are case-sensitive, but UUIDs parse in any case.
        (self.name(endpoint) == name).then_some(endpoint)
    }

    fn name(&self, endpoint: EndpointKey) -> String {
        let EndpointKey {
            app_id,
            endpoint_id,
        } = endpoint;
        format!("{}/{app_id}/{endpoint_id}", self.prefix)
    }
}

/// The tag with the name of the table that a private key belongs to.
pub(super) const TABLE_TAG: &str = "webhook-endpoints:table";

/// Error code for a secret or version that does not exist.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// Error code for a secret that is being deleted, or is scheduled for deletion.
const INVALID_REQUEST: &str = "InvalidRequestException";

pub(super) fn is_gone<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    has_code(error, NOT_FOUND) || has_code(error, INVALID_REQUEST)
}

async fn send_deletion(deletion: DeleteSecretFluentBuilder) -> Result<(), StoreError> {
    match deletion.send().await {
        Ok(_) => Ok(()),
        Err(error) if is_gone(&error) => Ok(()),
        Err(error) => Err(error).during("DeleteSecret"),
    }
}

fn parse(text: Option<&str>) -> Result<SigningSecret, Malformed> {
    let text = text.ok_or("the secret has no string")?;
    Ok(SigningSecret::parse_stored(text)?)
}

fn stored(of: SecretOf, entry: &SecretListEntry) -> Result<StoredSecret, Malformed> {
    let at = |time: &DateTime| -> Result<_, Malformed> {
        Ok(Timestamp::from_millisecond(time.to_millis()?)?)
    };
    let created_at = at(entry.created_date().ok_or("an entry without CreatedDate")?)?;
    let changed_at = entry.last_changed_date().map(at).transpose()?;
    let mut tags = entry.tags().iter();
    let table = tags.find(|tag| tag.key() == Some(TABLE_TAG));
    Ok(StoredSecret {
        of,
        created_at,
        changed_at: changed_at.unwrap_or(created_at),
        table: table.and_then(|tag| tag.value()).map(str::to_owned),
    })
}

pub(super) fn tag(key: &str, value: impl ToString) -> Tag {
    Tag::builder().key(key).value(value.to_string()).build()
}

fn version(version_id: Option<String>) -> Result<SecretVersion, Malformed> {
    let version_id = version_id.ok_or("a response without VersionId")?;
    Ok(SecretVersion::new(version_id))
}
