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

use super::error::has_code;
use super::{AwsError, OnDemand};
use crate::cache::at_most;
use crate::domain::endpoint::{Endpoint, SecretVersion};
use crate::domain::id::{AppId, EndpointId};
use crate::domain::signing::SigningSecret;

/// Versions that one process keeps: at some 200 bytes each, well under 1 MB.
const CACHED_VERSIONS: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");

/// Days for which a secret that was removed with [`Secrets::retire`] can be
/// brought back; the fewest that Secrets Manager takes.
pub const RECOVERY_DAYS: u8 = 7;

type VersionCache = LruCache<(EndpointId, SecretVersion), Arc<SigningSecret>>;

/// The secrets of one deployment. Cheap to clone; clones share the cache.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: OnDemand<Client>,
    prefix: String,
    cache: Arc<Mutex<VersionCache>>,
}

/// A secret as the list of all shows it: not its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSecret {
    /// The app of its name.
    pub app_id: AppId,
    /// The endpoint of its name, which may or may not exist.
    pub endpoint_id: EndpointId,
    /// When it was stored first.
    pub created_at: Timestamp,
}

impl Secrets {
    /// The secrets whose names begin with `<prefix>/`.
    pub fn new(client: impl Into<OnDemand<Client>>, prefix: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            prefix: prefix.into(),
            cache: Arc::new(Mutex::new(at_most(CACHED_VERSIONS))),
        }
    }

    /// Stores a new endpoint's first secret. One `CreateSecret`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn create(
        &self,
        app_id: AppId,
        endpoint_id: EndpointId,
        secret: &SigningSecret,
    ) -> Result<SecretVersion, AwsError> {
        const OPERATION: &str = "CreateSecret";
        let created = self
            .client
            .create_secret()
            .name(self.name(app_id, endpoint_id))
            .description("Signing secret of a webhook endpoint")
            .secret_string(secret.to_text().expose_secret())
            .tags(tag("webhook-endpoints:app", app_id))
            .tags(tag("webhook-endpoints:endpoint", endpoint_id))
            .send()
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        version(OPERATION, created.version_id)
    }

    /// Stores a next version of an endpoint's secret. It signs nothing until
    /// the endpoint points at it. `None` when the secret is gone. One
    /// `PutSecretValue`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn put_next(
        &self,
        app_id: AppId,
        endpoint_id: EndpointId,
        secret: &SigningSecret,
    ) -> Result<Option<SecretVersion>, AwsError> {
        const OPERATION: &str = "PutSecretValue";
        let put = self
            .client
            .put_secret_value()
            .secret_id(self.name(app_id, endpoint_id))
            .secret_string(secret.to_text().expose_secret())
            .send()
            .await;
        match put {
            Ok(put) => version(OPERATION, put.version_id).map(Some),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(AwsError::new(OPERATION, error)),
        }
    }

    /// The secret that an endpoint signs with. `None` when that version is
    /// gone, so the endpoint was read too long ago. No call for a version that
    /// this process has seen, one `GetSecretValue` otherwise: a version never
    /// changes, so there is nothing to expire.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn of(&self, endpoint: &Endpoint) -> Result<Option<Arc<SigningSecret>>, AwsError> {
        const OPERATION: &str = "GetSecretValue";
        let cache_key = (endpoint.id, endpoint.secret_version.clone());
        if let Some(secret) = self.cache().get(&cache_key) {
            return Ok(Some(Arc::clone(secret)));
        }
        let found = self
            .client
            .get_secret_value()
            .secret_id(self.name(endpoint.app_id, endpoint.id))
            .version_id(endpoint.secret_version.as_str())
            .send()
            .await;
        let found = match found {
            Ok(found) => found,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(AwsError::new(OPERATION, error)),
        };
        let secret = found
            .secret_string()
            .ok_or_else(|| AwsError::unexpected(OPERATION, "the secret has no string"))
            .and_then(|text| {
                SigningSecret::parse(text).map_err(|error| AwsError::unexpected(OPERATION, error))
            })?;
        let secret = Arc::new(secret);
        self.cache().put(cache_key, Arc::clone(&secret));
        Ok(Some(secret))
    }

    /// Removes an endpoint's secret with all versions, at once and for good.
    /// Does nothing when there is none. One `DeleteSecret`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn delete(&self, app_id: AppId, endpoint_id: EndpointId) -> Result<(), AwsError> {
        let secret = self.deletion_of(app_id, endpoint_id);
        send_deletion(secret.force_delete_without_recovery(true)).await
    }

    /// Removes a secret that nobody asked to delete. From now on it is missing
    /// and costs nothing, and for [`RECOVERY_DAYS`] `RestoreSecret` brings it
    /// back. Does nothing when there is none. One `DeleteSecret`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn retire(&self, app_id: AppId, endpoint_id: EndpointId) -> Result<(), AwsError> {
        let secret = self.deletion_of(app_id, endpoint_id);
        send_deletion(secret.recovery_window_in_days(RECOVERY_DAYS.into())).await
    }

    /// All secrets of the deployment, in no order; one that was stored in the
    /// last minutes may be missing. What has another kind of name is somebody
    /// else's and left out. One `ListSecrets` for each 100 secrets.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn list(&self) -> Result<Vec<StoredSecret>, AwsError> {
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
            let page = page.map_err(|error| AwsError::new(OPERATION, error))?;
            for entry in page.secret_list.unwrap_or_default() {
                let Some((app_id, endpoint_id)) = entry.name().and_then(|name| self.ids(name))
                else {
                    continue;
                };
                secrets.push(StoredSecret {
                    app_id,
                    endpoint_id,
                    created_at: created_at(&entry).ok_or_else(|| {
                        AwsError::unexpected(OPERATION, "an entry without CreatedDate")
                    })?,
                });
            }
        }
        Ok(secrets)
    }

    fn deletion_of(&self, app_id: AppId, endpoint_id: EndpointId) -> DeleteSecretFluentBuilder {
        self.client
            .delete_secret()
            .secret_id(self.name(app_id, endpoint_id))
    }

    /// The ids in a name that [`Self::name`] made.
    fn ids(&self, name: &str) -> Option<(AppId, EndpointId)> {
        let rest = name.strip_prefix(&self.prefix)?.strip_prefix('/')?;
        let (app_id, endpoint_id) = rest.split_once('/')?;
        let app_id = AppId::parse(app_id).ok()?;
        let endpoint_id = EndpointId::parse(endpoint_id).ok()?;
        // Ids are read in any letter case, names are not.
        (self.name(app_id, endpoint_id) == name).then_some((app_id, endpoint_id))
    }

    fn name(&self, app_id: AppId, endpoint_id: EndpointId) -> String {
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

async fn send_deletion(deletion: DeleteSecretFluentBuilder) -> Result<(), AwsError> {
    match deletion.send().await {
        Ok(_) => Ok(()),
        Err(error) if is_gone(&error) => Ok(()),
        Err(error) => Err(AwsError::new("DeleteSecret", error)),
    }
}

fn created_at(entry: &SecretListEntry) -> Option<Timestamp> {
    let millis = entry.created_date()?.to_millis().ok()?;
    Timestamp::from_millisecond(millis).ok()
}

fn tag(key: &str, value: impl ToString) -> Tag {
    Tag::builder().key(key).value(value.to_string()).build()
}

fn version(operation: &'static str, version_id: Option<String>) -> Result<SecretVersion, AwsError> {
    version_id
        .map(SecretVersion::new)
        .ok_or_else(|| AwsError::unexpected(operation, "an answer without a VersionId"))
}
