//! All of a deployment's stores.

use aws_config::SdkConfig;
use jiff::Timestamp;

use super::LazyClient;
use super::error::StoreError;
use super::queue::{QueueUrls, Queues};
use super::sealing_keys::SealingKeys;
use super::secrets::Secrets;
use super::table::{NextSecrets, Presence, Table};
use crate::domain::endpoint::{Endpoint, EndpointKey};

/// The stores of one deployment. Cheap to clone; clones share the clients and the
/// cache of secrets.
#[derive(Debug, Clone)]
pub struct Stores {
    /// API keys, endpoints, events and the history.
    pub table: Table,
    /// Secrets Manager: signing secrets, and the private keys of sealed ones.
    pub secrets: Secrets,
    /// The key that new signing secrets are sealed to, if they are.
    pub sealing_keys: SealingKeys,
    /// The delivery queues.
    pub queues: Queues,
}

/// The stores that signing secrets are kept in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SecretStores {
    /// See [`Stores::table`].
    pub table: Table,
    /// See [`Stores::secrets`].
    pub secrets: Secrets,
    /// See [`Stores::sealing_keys`].
    pub sealing_keys: SealingKeys,
}

/// Where a deployment's stores are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreNames {
    /// Name of the DynamoDB table.
    pub table: String,
    /// First part of every secret's name in Secrets Manager.
    pub secret_prefix: String,
    /// URLs of the delivery queues.
    pub queues: QueueUrls,
}

impl Stores {
    /// The stores of these names, through clients of this configuration.
    #[must_use]
    pub fn new(sdk: &SdkConfig, names: StoreNames) -> Self {
        Self::with_clients(
            LazyClient::of(sdk, aws_sdk_dynamodb::Client::new),
            LazyClient::of(sdk, aws_sdk_secretsmanager::Client::new),
            LazyClient::of(sdk, aws_sdk_sqs::Client::new),
            names,
        )
    }

    /// The stores of these names, through these clients.
    pub fn with_clients(
        dynamodb: impl Into<LazyClient<aws_sdk_dynamodb::Client>>,
        secrets_manager: impl Into<LazyClient<aws_sdk_secretsmanager::Client>>,
        sqs: impl Into<LazyClient<aws_sdk_sqs::Client>>,
        names: StoreNames,
    ) -> Self {
        let table = Table::new(dynamodb, names.table);
        let secrets = Secrets::new(secrets_manager, names.secret_prefix);
        Self {
            sealing_keys: SealingKeys::new(table.clone(), secrets.clone()),
            table,
            secrets,
            queues: Queues::new(sqs, names.queues),
        }
    }

    /// Those that signing secrets are kept in.
    #[must_use]
    pub fn of_secrets(&self) -> SecretStores {
        SecretStores {
            table: self.table.clone(),
            secrets: self.secrets.clone(),
            sealing_keys: self.sealing_keys.clone(),
        }
    }
}

impl SecretStores {
    /// This table and these secrets.
    #[must_use]
    pub fn new(table: Table, secrets: Secrets) -> Self {
        Self {
            sealing_keys: SealingKeys::new(table.clone(), secrets.clone()),
            table,
            secrets,
        }
    }

    /// Completes a move: removes a secret from Secrets Manager that nothing needs any more,
    /// and brings back one that is needed again. No call if neither changed.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn see_to_former_place(
        &self,
        found: &Endpoint,
        next: &NextSecrets,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let previous = found.previous_secret.as_ref();
        let was_stored = !found.secret.is_sealed()
            // Also if it no longer signs: it is still there.
            || previous.is_some_and(|previous| !previous.secret.is_sealed());
        let next_previous = next.previous.as_ref();
        let is_needed = !next.current.is_sealed()
            || next_previous.is_some_and(|previous| previous.needs_stored_secret(now));
        match (was_stored, is_needed) {
            (true, false) => self.retire_unused_secret(found.key, now).await,
            // Whoever moved it into the item may remove the secret only now.
            (_, true) if found.secret.is_sealed() && !next.current.is_sealed() => {
                self.secrets.restore(found.key).await
            }
            _ => Ok(()),
        }
    }

    /// Removes the secret of an endpoint from Secrets Manager, so that it can be brought
    /// back for some days, because the endpoint's item holds all that sign. If that
    /// changed meanwhile, brings it back. One `DeleteSecret`, one `GetItem`.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn retire_unused_secret(
        &self,
        endpoint: EndpointKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.secrets.retire(endpoint).await?;
        // Whoever moves a secret back brings it back as well, but may have done so before.
        match self.table.endpoint_presence(endpoint, now).await? {
            Presence::Live => self.secrets.restore(endpoint).await,
            Presence::Sealed | Presence::Marked | Presence::Missing => Ok(()),
        }
    }
}
