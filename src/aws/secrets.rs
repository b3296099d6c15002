//! Signing secrets in Secrets Manager: one secret per endpoint, named
//! `<prefix>/<app id>/<endpoint id>`, one version per rotation.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::delete_secret::builders::DeleteSecretFluentBuilder;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry, Tag};
use jiff::Timestamp;
use lru::LruCache;
use secrecy::ExposeSecret;

use super::LazyClient;
use super::error::{During, Malformed, StoreError, has_code};
use crate::domain::endpoint::{Endpoint, EndpointKey, SecretVersion};
use crate::domain::id::{AppId, EndpointId};
use crate::domain::signing::SigningSecret;
use crate::ttl_cache::lru_cache;

/// Versions that one process keeps: at some 200 bytes each, well under 1 MB.
const CACHED_VERSIONS: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");

/// Days for which a secret that was removed with [`Secrets::retire`] can be
/// brought back; the fewest that Secrets Manager takes.
pub const RECOVERY_DAYS: u8 = 7;

type VersionCache = LruCache<(EndpointId, SecretVersion), Arc<SigningSecret>>;

/// The secrets of one deployment. Cheap to clone; clones share the cache.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: LazyClient<Client>,
    prefix: String,
    cache: Arc<Mutex<VersionCache>>,
}

/// A secret as [`Secrets::list`] shows it, without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSecret {
    /// The endpoint that it is named after, which may or may not exist.
    pub endpoint: EndpointKey,
    /// When its first version was stored.
    pub created_at: Timestamp,
}

impl Secrets {
    /// The secrets whose names begin with `<prefix>/`.
    pub fn new(client: impl Into<LazyClient<Client>>, prefix: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            prefix: prefix.into(),
            cache: Arc::new(Mutex::new(lru_cache(CACHED_VERSIONS))),
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
            .secret_string(secret.to_text().expose_secret())
            .tags(tag("webhook-endpoints:app", endpoint.app_id))
            .tags(tag("webhook-endpoints:endpoint", endpoint.endpoint_id))
            .send()
            .await
            .during(OPERATION)?;
        version(created.version_id).during(OPERATION)
    }

    /// Stores a next version of an endpoint's secret. It signs nothing until
    /// the endpoint points at it. `None` when the secret is gone. One
    /// `PutSecretValue`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn put_next(
        &self,
        endpoint: EndpointKey,
        secret: &SigningSecret,
    ) -> Result<Option<SecretVersion>, StoreError> {
        const OPERATION: &str = "PutSecretValue";
        let put = self
            .client
            .put_secret_value()
            .secret_id(self.name(endpoint))
            .secret_string(secret.to_text().expose_secret())
            .send()
            .await;
        match put {
            Ok(put) => version(put.version_id).map(Some).during(OPERATION),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error).during(OPERATION),
        }
    }

    /// The secret that an endpoint signs with. `None` if that version no longer
    /// exists, because the endpoint was read before a rotation. No call for a
    /// version that this process has seen, one `GetSecretValue` otherwise: a
    /// version never changes, so a cached one never expires.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn of(&self, endpoint: &Endpoint) -> Result<Option<Arc<SigningSecret>>, StoreError> {
        const OPERATION: &str = "GetSecretValue";
        let cache_key = (endpoint.key.endpoint_id, endpoint.secret_version.clone());
        if let Some(secret) = self.cache().get(&cache_key) {
            return Ok(Some(Arc::clone(secret)));
        }
        let found = self
            .client
            .get_secret_value()
            .secret_id(self.name(endpoint.key))
            .version_id(endpoint.secret_version.as_str())
            .send()
            .await;
        let found = match found {
            Ok(found) => found,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error).during(OPERATION),
        };
        let secret = Arc::new(parse(found.secret_string()).during(OPERATION)?);
        self.cache().put(cache_key, Arc::clone(&secret));
        Ok(Some(secret))
    }

    /// Removes an endpoint's secret with all versions, at once and for good.
    /// Does nothing if there is none. One `DeleteSecret`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn delete(&self, endpoint: EndpointKey) -> Result<(), StoreError> {
        let secret = self.deletion_of(endpoint);
        send_deletion(secret.force_delete_without_recovery(true)).await
    }

    /// Removes a secret that nobody asked to delete. It is missing and costs
    /// nothing from then on; for [`RECOVERY_DAYS`], `RestoreSecret` brings it
    /// back. Does nothing if there is none. One `DeleteSecret`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn retire(&self, endpoint: EndpointKey) -> Result<(), StoreError> {
        let secret = self.deletion_of(endpoint);
        send_deletion(secret.recovery_window_in_days(RECOVERY_DAYS.into())).await
    }

    /// All secrets of the deployment, in no particular order. One that was stored
    /// within the last minutes may be missing. Secrets with names of another form
    /// are not ours and left out. One `ListSecrets` for each 100 secrets.
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
                let Some(endpoint) = entry.name().and_then(|name| self.endpoint_of(name)) else {
                    continue;
                };
                let created_at = created_at(&entry).during(OPERATION)?;
                secrets.push(StoredSecret {
                    endpoint,
                    created_at,
                });
            }
        }
        Ok(secrets)
    }

    fn deletion_of(&self, endpoint: EndpointKey) -> DeleteSecretFluentBuilder {
        self.client.delete_secret().secret_id(self.name(endpoint))
    }

    /// The endpoint of a name that [`Self::name`] made.
    fn endpoint_of(&self, name: &str) -> Option<EndpointKey> {
        let rest = name.strip_prefix(&self.prefix)?.strip_prefix('/')?;
        let (app_id, endpoint_id) = rest.split_once('/')?;
        let endpoint = EndpointKey {
            app_id: AppId::parse(app_id).ok()?,
            endpoint_id: EndpointId::parse(endpoint_id).ok()?,
        };
        // Names are case-sensitive, while UUIDs are parsed in any case.
        (self.name(endpoint) == name).then_some(endpoint)
    }

    fn name(&self, endpoint: EndpointKey) -> String {
        let EndpointKey {
            app_id,
            endpoint_id,
        } = endpoint;
        format!("{}/{app_id}/{endpoint_id}", self.prefix)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, VersionCache> {
        // A panic elsewhere can't leave the cache half changed.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is no such secret or version, or it is just being deleted.
fn is_gone<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    has_code(error, "ResourceNotFoundException") || has_code(error, "InvalidRequestException")
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
    Ok(SigningSecret::parse(text)?)
}

fn created_at(entry: &SecretListEntry) -> Result<Timestamp, Malformed> {
    let created_at = entry.created_date().ok_or("an entry without CreatedDate")?;
    Ok(Timestamp::from_millisecond(created_at.to_millis()?)?)
}

fn tag(key: &str, value: impl ToString) -> Tag {
    Tag::builder().key(key).value(value.to_string()).build()
}

fn version(version_id: Option<String>) -> Result<SecretVersion, Malformed> {
    let version_id = version_id.ok_or("a response without VersionId")?;
    Ok(SecretVersion::new(version_id))
}
