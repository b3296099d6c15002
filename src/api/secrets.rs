//! Signing secrets: creation, rotation and deletion. New secrets are kept in Secrets Manager, or
//! sealed in the endpoint's item, as configured. If an endpoint's secret is still in the other
//! place, the next rotation moves it.

use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use super::body::Body;
use super::error::ApiError;
use super::extract::{NO_APP, NO_ENDPOINT};
use super::{ApiState, own_headers};
use crate::aws::table::{CreateOutcome, DeletedSealed, NextSecrets, SetSecret};
use crate::domain::endpoint::{
    Endpoint, EndpointKey, MAX_ENDPOINTS_PER_APP, NewEndpoint, SecretVersion,
};
use crate::domain::id::AppId;
use crate::domain::own_headers::OwnHeaders;
use crate::domain::sealing::SealingKey;
use crate::domain::secret::{KeptSecret, PreviousSecret, SecretPlace, SecretStorage};
use crate::domain::signing::{SecretFormat, SigningSecret};

/// How often to try to store something sealed. A retry is needed only if an operator replaced the
/// sealing key or moved the endpoint's secret in the meantime, so a second one is already unlikely.
pub(super) const TRIES: usize = 4;

const APP_IS_FULL: ApiError = ApiError::conflict("The app already has 100 endpoints, the maximum.");

/// Takes the secret that the caller chose, if any.
pub(super) fn take_secret(body: &mut Body) -> Option<SigningSecret> {
    let has_format = body.has("secretFormat");
    if has_format && !body.has("secret") {
        body.error("secretFormat", "must come with a secret");
    }
    let format = body.string("secretFormat", SecretFormat::parse);
    if has_format && format.is_none() {
        // Without a valid format, any error about the secret could be wrong. Report only the
        // format.
        body.ignore(&["secret"]);
        return None;
    }
    let parse = |text: &str| SigningSecret::parse(text, format.unwrap_or_default());
    body.string("secret", parse)
}

/// A valid request to create an endpoint.
pub(super) struct Creation {
    pub(super) new: NewEndpoint,
    /// The secret that the caller chose. `None` for a random one.
    pub(super) own_secret: Option<SigningSecret>,
    pub(super) headers: Option<OwnHeaders>,
}

/// Stores a new endpoint with its first secret.
///
/// If the secret goes to Secrets Manager, it is stored first. A crash between the two writes then
/// leaves a secret without an endpoint, which the sweep removes; in the other order, it would leave
/// an endpoint that cannot deliver.
pub(super) async fn create(
    api: &ApiState,
    key: EndpointKey,
    creation: Creation,
) -> Result<(Endpoint, SigningSecret), ApiError> {
    let own = creation.own_secret;
    let secret = own.unwrap_or_else(|| SigningSecret::generate(&mut rand::rng()));
    let stored: Option<KeptSecret> = match api.secret_storage {
        SecretStorage::PerEndpoint => {
            must_have_room(api, key.app_id).await?;
            Some(api.stores.secrets.create(key, &secret).await?.into())
        }
        SecretStorage::Sealed => None,
    };
    let is_stored = stored.is_some();
    let now = api.clock.now();
    // The secret, the headers or both may be sealed. Each try seals them to the key that is current
    // by then; the transaction fails if another key has replaced it.
    for _ in 0..TRIES {
        let (kept, headers) = match (&stored, &creation.headers) {
            (Some(stored), None) => (stored.clone(), None),
            (stored, headers) => {
                let sealing_key = api.stores.sealing_keys.current(now).await?;
                let sealed = || seal(&sealing_key, key, &secret);
                let kept = stored.clone().map_or_else(sealed, Ok)?;
                let headers = headers.as_ref();
                let headers = headers.map(|it| own_headers::seal(&sealing_key, key, it));
                (kept, headers.transpose()?)
            }
        };
        let endpoint = Endpoint {
            headers,
            ..creation.new.clone().registered(key, kept, now)
        };
        match api.stores.table.create_endpoint(&endpoint).await? {
            CreateOutcome::Created => return Ok((endpoint, secret)),
            CreateOutcome::LimitReached => {
                if is_stored {
                    remove_unused(api, key, "refused").await;
                }
                return Err(no_room(api, key.app_id).await);
            }
            CreateOutcome::KeyReplaced => {
                if let Some(key) = endpoint.sealing_keys().next() {
                    api.stores.sealing_keys.forget(key).await;
                }
            }
        }
    }
    if is_stored {
        remove_unused(api, key, "not created").await;
    }
    Err(ApiError::busy())
}

/// Refuses an app that is at its limit of endpoints, or that is being deleted. The latter looks
/// missing, even to its own keys.
async fn must_have_room(api: &ApiState, app_id: AppId) -> Result<(), ApiError> {
    match api.stores.table.endpoint_count(app_id).await? {
        None => Err(NO_APP),
        Some(count) if count >= MAX_ENDPOINTS_PER_APP => Err(APP_IS_FULL),
        Some(_) => Ok(()),
    }
}

/// The reason why the transaction refused another endpoint. Its condition covers both the limit and
/// the app's deletion, so read the app's item to tell them apart.
async fn no_room(api: &ApiState, app_id: AppId) -> ApiError {
    let looked = must_have_room(api, app_id).await;
    looked.err().unwrap_or(APP_IS_FULL)
}

/// A valid request to rotate a secret.
pub(super) struct Rotation {
    /// The new secret, if the caller chose it. `None` for a random one.
    pub(super) own: Option<SigningSecret>,
    /// How long the old secret signs as well.
    pub(super) overlap: Duration,
}

/// Gives an endpoint a new secret. With an overlap, the old one stays where it is until the overlap
/// ends. `found` is the endpoint as it was when the rotation was reserved: the new secret is
/// written only if the endpoint still has the version of that time, so one of two concurrent
/// rotations gets a 409 instead of a secret that is no longer valid.
pub(super) async fn rotate(
    api: &ApiState,
    mut found: Endpoint,
    rotation: Rotation,
    now: Timestamp,
) -> Result<SigningSecret, ApiError> {
    let own = rotation.own;
    let secret = own.unwrap_or_else(|| SigningSecret::generate(&mut rand::rng()));
    for _ in 0..TRIES {
        let current = next_secret(api, found.key, &secret, now).await?;
        let previous = || PreviousSecret {
            secret: found.secret.clone(),
            until: now + rotation.overlap,
        };
        let next = NextSecrets {
            previous: (!rotation.overlap.is_zero()).then(previous),
            headers: None,
            sealed_to: current.sealing_key(),
            current,
        };
        let table = &api.stores.table;
        match table.set_rotated_secret(&found, &next, now).await? {
            SetSecret::Done => {
                finish_move(api, &found, &next, now).await;
                return Ok(secret);
            }
            SetSecret::Lost => {
                return Err(ApiError::conflict(
                    "The secret was rotated concurrently. Use the secret from that response.",
                ));
            }
            // The operator moved or resealed the same secret in the meantime. Try again on top.
            SetSecret::Moved(endpoint) => found = *endpoint,
            SetSecret::KeyReplaced => {
                if let Some(key) = next.sealed_to {
                    api.stores.sealing_keys.forget(key).await;
                }
            }
            SetSecret::Missing => {
                if !next.current.is_sealed() {
                    // The deletion of the endpoint may have deleted its secret before `next_secret`
                    // stored this one, and would then leave it behind.
                    remove_unused(api, found.key, "deleted").await;
                }
                return Err(NO_ENDPOINT);
            }
        }
    }
    Err(ApiError::busy())
}

/// Stores a new secret in Secrets Manager, or seals it.
async fn next_secret(
    api: &ApiState,
    key: EndpointKey,
    secret: &SigningSecret,
    now: Timestamp,
) -> Result<KeptSecret, ApiError> {
    match api.secret_storage {
        SecretStorage::PerEndpoint => Ok(api.stores.secrets.put_next(key, secret).await?.into()),
        SecretStorage::Sealed => {
            let sealing_key = api.stores.sealing_keys.current(now).await?;
            seal(&sealing_key, key, secret)
        }
    }
}

/// Completes a move between Secrets Manager and the endpoint's item: deletes a secret that is no
/// longer needed, or restores one that is needed again. No calls if the secret did not move.
///
/// Only logs a failure, because the new secret signs already, and the sweep removes what is left.
async fn finish_move(api: &ApiState, found: &Endpoint, next: &NextSecrets, now: Timestamp) {
    let (key, stores) = (found.key, api.stores.secret_stores());
    if let Err(error) = stores.reconcile_stored_secret(found, next, now).await {
        let endpoint_id = key.endpoint_id;
        warn!(%error, %endpoint_id, "failed to complete the move of a secret");
    }
}

/// Ends the overlap of a rotation. Does nothing if there is none.
pub(super) async fn remove_previous(api: &ApiState, key: EndpointKey) -> Result<(), ApiError> {
    let (table, now) = (&api.stores.table, api.clock.now());
    let found = table.remove_previous_secret(key, now).await?;
    let found = found.ok_or(NO_ENDPOINT)?;
    if found.previous_secret.is_some() {
        let next = NextSecrets {
            current: found.secret.clone(),
            previous: None,
            headers: None,
            sealed_to: None,
        };
        finish_move(api, &found, &next, now).await;
    }
    Ok(())
}

/// Deletes an endpoint with one transaction. `false` if its deletion takes several steps.
pub(super) async fn delete_at_once(api: &ApiState, key: EndpointKey) -> Result<bool, ApiError> {
    match api.secret_storage {
        // Most endpoints then have a secret in Secrets Manager, so a try would only cost a call.
        SecretStorage::PerEndpoint => Ok(false),
        SecretStorage::Sealed => match api.stores.table.delete_sealed_endpoint(key).await? {
            DeletedSealed::Done => Ok(true),
            DeletedSealed::NotInOneStep => Ok(false),
            DeletedSealed::Missing => Err(NO_ENDPOINT),
        },
    }
}

fn seal(
    sealing_key: &SealingKey,
    key: EndpointKey,
    secret: &SigningSecret,
) -> Result<KeptSecret, ApiError> {
    let version = SecretVersion::random();
    let sealed = sealing_key.seal(key, &version, secret);
    Ok(KeptSecret {
        place: SecretPlace::Sealed(sealed.map_err(ApiError::internal)?),
        version,
    })
}

async fn remove_unused(api: &ApiState, key: EndpointKey, endpoint_is: &'static str) {
    if let Err(error) = api.stores.secrets.delete(key).await {
        let endpoint_id = key.endpoint_id;
        warn!(%error, %endpoint_id, endpoint_is, "failed to delete an endpoint's secret");
    }
}
