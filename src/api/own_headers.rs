//! The headers that endpoints add to their deliveries. They are sealed, because their values are
//! credentials.

use super::ApiState;
use super::body::Body;
use super::error::ApiError;
use super::extract::NO_ENDPOINT;
use super::secrets::TRIES;
use crate::aws::table::{HeadersChange, UpdateOutcome};
use crate::domain::endpoint::{Endpoint, EndpointKey, EndpointPatch, SecretVersion};
use crate::domain::own_headers::OwnHeaders;
use crate::domain::sealing::SealingKey;
use crate::domain::secret::KeptHeaders;

/// Takes the field `headers`. `Some(None)` means that the endpoint is to have none.
pub(super) fn take(body: &mut Body) -> Option<Option<OwnHeaders>> {
    let given = body.raw("headers")?;
    match OwnHeaders::parse(given.get()) {
        Ok(headers) => Some(headers),
        Err(errors) => {
            body.check_all::<()>(Err(errors));
            None
        }
    }
}

pub(super) fn seal(
    sealing_key: &SealingKey,
    key: EndpointKey,
    headers: &OwnHeaders,
) -> Result<KeptHeaders, ApiError> {
    let version = SecretVersion::random();
    let sealed = sealing_key.seal_headers(key, &version, headers);
    Ok(KeptHeaders {
        names: headers.names().map(str::to_owned).collect(),
        sealed: sealed.map_err(ApiError::internal)?,
        version,
    })
}

/// Updates an endpoint. Replaces its headers if `headers` has some, removes them if it is
/// `Some(None)`, and keeps them otherwise.
pub(super) async fn update(
    api: &ApiState,
    key: EndpointKey,
    patch: &EndpointPatch,
    headers: Option<Option<OwnHeaders>>,
) -> Result<Endpoint, ApiError> {
    let (stores, now) = (&api.stores, api.clock.now());
    for _ in 0..TRIES {
        let kept = match &headers {
            Some(Some(headers)) => {
                let sealing_key = stores.sealing_keys.current(now).await?;
                Some(seal(&sealing_key, key, headers)?)
            }
            Some(None) | None => None,
        };
        let change = match (&headers, &kept) {
            (_, Some(kept)) => HeadersChange::Set(kept),
            (Some(_), None) => HeadersChange::Remove,
            (None, None) => HeadersChange::Keep,
        };
        let updated = stores.table.update_endpoint(key, patch, change, now);
        match updated.await? {
            UpdateOutcome::Updated(endpoint) => return Ok(*endpoint),
            UpdateOutcome::Missing => return Err(NO_ENDPOINT),
            // A caller who does not know the headers' values must not have them sent to a URL of
            // their choice.
            UpdateOutcome::HeadersNeeded => {
                return Err(ApiError::invalid(
                    "headers",
                    "must be set again, or be null, because the URL changes",
                ));
            }
            // The operator replaced the sealing key while this process had the old one cached.
            // Nothing was written. Seal again with the current key.
            UpdateOutcome::KeyReplaced => {
                if let Some(kept) = &kept {
                    stores.sealing_keys.forget(kept.sealed.key_id).await;
                }
            }
        }
    }
    Err(ApiError::busy())
}
