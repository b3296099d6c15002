//! Loads the secrets that an attempt needs.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::warn;

use super::Deliverer;
use crate::aws::StoreError;
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::own_headers::OwnHeaders;
use crate::domain::signing::SigningSecret;

/// The secrets and headers of one endpoint.
pub(super) struct Credentials {
    /// The secrets that sign, newest first.
    pub(super) secrets: Vec<Arc<SigningSecret>>,
    /// The endpoint's own headers, if it has any.
    pub(super) headers: Option<Arc<OwnHeaders>>,
}

impl Deliverer {
    /// The credentials of an attempt that started at `started_at`. `None` if the
    /// endpoint's secret does not exist, or the key that its headers are sealed to. All
    /// are loaded concurrently, because each may take a call.
    pub(super) async fn credentials(
        &self,
        endpoint: &Endpoint,
        started_at: Timestamp,
    ) -> Result<Option<Credentials>, StoreError> {
        let current = self.stores.secrets.of(endpoint);
        let (current, previous, headers) = tokio::join!(
            current,
            self.previous_secret(endpoint, started_at),
            self.own_headers(endpoint)
        );
        let (Some(current), Some(headers)) = (current?, headers?) else {
            return Ok(None);
        };
        Ok(Some(Credentials {
            secrets: [current].into_iter().chain(previous).collect(),
            headers,
        }))
    }

    /// The previous secret, if it still signs an attempt that started at `started_at`. A
    /// failure does not stop the attempt: the current secret is enough for a receiver
    /// that knows it.
    async fn previous_secret(
        &self,
        endpoint: &Endpoint,
        started_at: Timestamp,
    ) -> Option<Arc<SigningSecret>> {
        let previous = endpoint.previous_secret_at(started_at)?;
        let found = self.stores.secrets.kept(endpoint.key, &previous.secret);
        found.await.unwrap_or_else(|error| {
            let EndpointKey {
                app_id,
                endpoint_id,
            } = endpoint.key;
            warn!(%error, %app_id, %endpoint_id, "failed to read a previous secret");
            None
        })
    }

    /// An endpoint's own headers. The inner `None` means that it has none, the outer one
    /// that their key does not exist.
    async fn own_headers(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Option<Option<Arc<OwnHeaders>>>, StoreError> {
        let Some(kept) = &endpoint.headers else {
            return Ok(Some(None));
        };
        let headers = self.stores.secrets.headers(endpoint.key, kept).await?;
        Ok(headers.map(Some))
    }
}
