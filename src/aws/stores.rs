//! All of a deployment's stores.

use aws_config::SdkConfig;

use super::LazyClient;
use super::queue::{QueueUrls, Queues};
use super::secrets::Secrets;
use super::table::Table;

/// The stores of one deployment. Cheap to clone; clones share the clients and the
/// cache of secrets.
#[derive(Debug, Clone)]
pub struct Stores {
    /// API keys, endpoints, events and the history.
    pub table: Table,
    /// Signing secrets.
    pub secrets: Secrets,
    /// The delivery queues.
    pub queues: Queues,
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
        Self {
            table: Table::new(dynamodb, names.table),
            secrets: Secrets::new(secrets_manager, names.secret_prefix),
            queues: Queues::new(sqs, names.queues),
        }
    }
}
