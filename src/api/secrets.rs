//! New signing secrets, kept in Secrets Manager or sealed in the endpoint's item. An
//! endpoint whose secret is kept the other way is moved by its next rotation.

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

/// Tries to store something sealed. Each but the first follows a replacement of the key
/// or a move, which an operator makes once in a while.
pub(super) const TRIES: usize = 4;

const APP_IS_FULL: ApiError = ApiError::conflict("The app already has 100 endpoints, the maximum.");

/// Takes a secret that the caller chose, if there is one.
pub(super) fn take_own(body: &mut Body) -> Option<SigningSecret> {
    let has_format = body.has("secretFormat");
    if has_format && !body.has("secret") {
        body.fault("secretFormat", "must come with a secret");
    }
    let format = body.string("secretFormat", SecretFormat::parse);
    if has_format && format.is_none() {
        // Nobody knows what the secret should look like.
        body.pass_over(&["secret"]);
        return None;
    }
    let parse = |text: &str| SigningSecret::parse(text, format.unwrap_or_default());
    body.string("secret", parse)
}

/// What a request to create an endpoint asks for.
pub(super) struct Creation {
    /// The endpoint.
    pub(super) new: NewEndpoint,
    /// Its secret, if the caller chose it.
    pub(super) own_secret: Option<SigningSecret>,
    /// Its headers, if it has any.
    pub(super) headers: Option<OwnHeaders>,
}

/// Stores a new endpoint, with its first secret: its own, or a random one. If that is kept
/// in Secrets Manager, the secret first: an endpoint without a secret could not deliver,
/// while a secret without an endpoint can be removed at any time.
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
        remove_unused(api, key, "not made").await;
    }
    Err(ApiError::busy())
}

/// Refuses an app that has as many endpoints as it may have, or that is being deleted: of
/// that one, nothing is left for its own keys.
async fn must_have_room(api: &ApiState, app_id: AppId) -> Result<(), ApiError> {
    match api.stores.table.endpoint_count(app_id).await? {
        None => Err(NO_APP),
        Some(count) if count >= MAX_ENDPOINTS_PER_APP => Err(APP_IS_FULL),
        Some(_) => Ok(()),
    }
}

/// Why an app could not have another endpoint. Looks again, because it may have been
/// deleted meanwhile.
async fn no_room(api: &ApiState, app_id: AppId) -> ApiError {
    let looked = must_have_room(api, app_id).await;
    looked.err().unwrap_or(APP_IS_FULL)
}

/// How an endpoint's secret is rotated.
pub(super) struct Rotation {
    /// The next secret, if the caller chose it.
    pub(super) own: Option<SigningSecret>,
    /// How long the former one signs as well.
    pub(super) overlap: Duration,
}

/// Gives an endpoint a new secret, kept as new ones are. The former one stays where it is
/// for as long as it still signs. `found` is the endpoint as it was when the rotation was
/// reserved.
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
                see_to_former_place(api, &found, &next, now).await;
                return Ok(secret);
            }
            SetSecret::Lost => {
                return Err(ApiError::conflict(
                    "The secret was rotated concurrently. Use the secret from that response.",
                ));
            }
            SetSecret::Moved(endpoint) => found = *endpoint,
            SetSecret::KeyReplaced => {
                if let Some(key) = next.sealed_to {
                    api.stores.sealing_keys.forget(key).await;
                }
            }
            SetSecret::Missing => {
                if !next.current.is_sealed() {
                    // The deletion may have removed the secret before it was stored above.
                    remove_unused(api, found.key, "deleted").await;
                }
                return Err(NO_ENDPOINT);
            }
        }
    }
    Err(ApiError::busy())
}

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

/// Completes a move. The new secret signs already, so a failure fails nothing: the sweep
/// finds a secret that is left over.
async fn see_to_former_place(api: &ApiState, found: &Endpoint, next: &NextSecrets, now: Timestamp) {
    let (key, stores) = (found.key, api.stores.secret_stores());
    if let Err(error) = stores.reconcile_stored_secret(found, next, now).await {
        let endpoint_id = key.endpoint_id;
        warn!(%error, %endpoint_id, "failed to complete the move of a secret");
    }
}

/// Ends the overlap of a rotation.
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
        see_to_former_place(api, &found, &next, now).await;
    }
    Ok(())
}

/// Deletes an endpoint that needs no further steps. `false` if this one does.
pub(super) async fn delete_at_once(api: &ApiState, key: EndpointKey) -> Result<bool, ApiError> {
    match api.secret_storage {
        // Most endpoints have a secret in Secrets Manager.
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
