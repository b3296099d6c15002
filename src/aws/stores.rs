//! The stores of a deployment, wired up once.

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
    /// DynamoDB: API keys, endpoints, events and the history.
    pub table: Table,
    /// Secrets Manager: signing secrets, and the private keys that open sealed ones.
    pub secrets: Secrets,
    /// The key that new signing secrets are sealed to, if the deployment seals them.
    pub sealing_keys: SealingKeys,
    /// SQS: the delivery queues.
    pub queues: Queues,
}

/// The stores that hold signing secrets. Cheap to clone.
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
    /// Prefix of every secret's name in Secrets Manager, without the slash.
    pub secret_prefix: String,
    /// URLs of the delivery queues.
    pub queues: QueueUrls,
}

impl Stores {
    /// Stores with clients of this configuration.
    #[must_use]
    pub fn new(sdk: &SdkConfig, names: StoreNames) -> Self {
        Self::with_clients(
            LazyClient::of(sdk, aws_sdk_dynamodb::Client::new),
            LazyClient::of(sdk, aws_sdk_secretsmanager::Client::new),
            LazyClient::of(sdk, aws_sdk_sqs::Client::new),
            names,
        )
    }

    /// Stores with existing clients.
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

    /// The subset that holds signing secrets.
    #[must_use]
    pub fn secret_stores(&self) -> SecretStores {
        SecretStores {
            table: self.table.clone(),
            secrets: self.secrets.clone(),
            sealing_keys: self.sealing_keys.clone(),
        }
    }
}

impl SecretStores {
    /// The stores with this table and these secrets, for callers without queues.
    #[must_use]
    pub fn new(table: Table, secrets: Secrets) -> Self {
        Self {
            sealing_keys: SealingKeys::new(table.clone(), secrets.clone()),
            table,
            secrets,
        }
    }

    /// Makes Secrets Manager match an endpoint whose secrets changed from those of `found` to
    /// `next`: retires a secret that is no longer needed there, and restores one that is
    /// needed again. Called after the table is written, so an interruption leaves behind a
    /// secret that nothing needs, which the operator's sweep finds. No call if nothing changed.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn reconcile_stored_secret(
        &self,
        found: &Endpoint,
        next: &NextSecrets,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let previous = found.previous_secret.as_ref();
        let was_stored = !found.secret.is_sealed()
            // Even if it no longer signs, it is still in Secrets Manager.
            || previous.is_some_and(|previous| !previous.secret.is_sealed());
        let next_previous = next.previous.as_ref();
        let is_needed = !next.current.is_sealed()
            || next_previous.is_some_and(|previous| previous.needs_stored_secret(now));
        match (was_stored, is_needed) {
            (true, false) => self.retire_unused_secret(found.key, now).await,
            // The process that moved the secret into the item may be late with retiring it, and
            // may have done so after this process stored the new version.
            (_, true) if found.secret.is_sealed() && !next.current.is_sealed() => {
                self.secrets.restore(found.key).await
            }
            _ => Ok(()),
        }
    }

    /// Retires an endpoint's secret in Secrets Manager because the item now holds all secrets
    /// that sign. If that changes meanwhile, restores it. One `DeleteSecret`, one `GetItem`,
    /// and perhaps one `RestoreSecret`.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn retire_unused_secret(
        &self,
        endpoint: EndpointKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.secrets.retire(endpoint).await?;
        // Another process may be moving a secret back into Secrets Manager. It writes the table
        // and then restores the secret. If its restore came before the deletion above, its write
        // did too, so this read sees it. If not, its restore undoes the deletion.
        match self.table.endpoint_presence(endpoint, now).await? {
            Presence::Live => self.secrets.restore(endpoint).await,
            Presence::Sealed | Presence::Marked | Presence::Missing => Ok(()),
        }
    }
}
