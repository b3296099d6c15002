//! The AWS emulators. dynoxide (DynamoDB on SQLite) serves HTTP on a free port. winterbaume (SQS
//! and Secrets Manager) plugs into the SDK as its HTTP client. Servers that are already running can
//! replace either of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_sdk_dynamodb::types::{BillingMode, TimeToLiveSpecification};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use webhook_endpoints::aws::sdk_defaults;
use webhook_endpoints::domain::message::Lane;
use winterbaume_core::{MockAws, StatefulService, default_account_id};
use winterbaume_secretsmanager::SecretsManagerService;
use winterbaume_sqs::SqsService;

use crate::dynamodb;
use crate::mapping::{Mapping, mapping};
use crate::template::{self, TemplateError};
use crate::waking::{Wakes, WakingSqs};

/// The Region of all resources.
pub const REGION: &str = "us-east-1";

/// Failure to start or set up the emulators. No code handles these errors, so causes are kept as
/// text.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// The template lacks something that the emulators need.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Reading or writing a file failed, or binding a socket.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// An emulator failed. With its name and the error message.
    #[error("{0} emulator: {1}")]
    Emulator(&'static str, String),
}

/// SDK clients of the emulators.
#[derive(Debug, Clone)]
pub struct Clients {
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Secrets Manager.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// Wakes pollers. `None` if a server replaces the SQS emulator, because only that wakes them.
    pub(crate) wakes: Option<Wakes>,
}

/// Running servers to use instead of the embedded emulators.
#[derive(Debug, Clone, Default)]
pub struct Servers {
    /// URL of a DynamoDB server.
    pub dynamodb: Option<String>,
    /// URL of one server for both SQS and Secrets Manager.
    pub others: Option<String>,
}

/// Running emulators. They stop with the process.
pub struct Emulators {
    /// Clients configured for these emulators.
    pub clients: Clients,
    /// URL of the DynamoDB emulator or server.
    pub dynamodb_url: String,
    /// URL of the server that replaces `secrets` and `sqs`, if any.
    pub(crate) others_url: Option<String>,
    pub(crate) secrets: Arc<SecretsManagerService>,
    pub(crate) sqs: Arc<WakingSqs>,
    data_dir: Option<PathBuf>,
}

/// The table and the queues that the template declares.
#[derive(Debug, Clone)]
pub struct Resources {
    /// Name of the table.
    pub table_name: String,
    /// URL of the delivery queue.
    pub queue_url: String,
    /// URL of the slow lane's queue.
    pub slow_queue_url: String,
    /// URL of the dead-letter queue.
    pub dead_letter_queue_url: String,
    /// URL of the queue for the operator's event bus.
    pub operational_queue_url: String,
    /// How the delivery queue is polled.
    pub fast: Mapping,
    /// How the slow lane's queue is polled.
    pub slow: Mapping,
}

impl Resources {
    /// URL of the queue of a lane.
    #[must_use]
    pub fn queue_url_of(&self, lane: Lane) -> &str {
        match lane {
            Lane::Fast => &self.queue_url,
            Lane::Slow => &self.slow_queue_url,
        }
    }

    /// How the queue of a lane is polled.
    #[must_use]
    pub fn mapping_of(&self, lane: Lane) -> Mapping {
        match lane {
            Lane::Fast => self.fast,
            Lane::Slow => self.slow,
        }
    }
}

impl Emulators {
    /// Starts the emulators, in memory or with the state of an earlier run in `data_dir`. `wrap`
    /// wraps the SDK's HTTP clients, with which tests count calls and inject failures.
    ///
    /// # Errors
    /// If the state can't be read or no port is free.
    pub async fn start(
        data_dir: Option<&Path>,
        wrap: impl Fn(SharedHttpClient) -> SharedHttpClient,
    ) -> Result<Self, EmulatorError> {
        Self::start_beside(Servers::default(), data_dir, wrap).await
    }

    /// Like [`Self::start`], but uses `servers` instead of the emulators of the same services.
    ///
    /// # Errors
    /// If the state can't be read or no port is free.
    pub async fn start_beside(
        servers: Servers,
        data_dir: Option<&Path>,
        wrap: impl Fn(SharedHttpClient) -> SharedHttpClient,
    ) -> Result<Self, EmulatorError> {
        let dynamodb_url = match servers.dynamodb {
            Some(url) => url,
            None => dynamodb::start(data_dir).await?,
        };
        let secrets = Arc::new(SecretsManagerService::new());
        let sqs = Arc::new(WakingSqs {
            inner: Arc::new(SqsService::new()),
            wakes: Wakes::default(),
        });
        if let Some(dir) = data_dir {
            restore(&*secrets, &dir.join(SECRETS_FILE)).await?;
            restore(&*sqs.inner, &dir.join(SQS_FILE)).await?;
        }
        let plain_http = || aws_smithy_http_client::Builder::new().build_http();
        let at = |url: &str| {
            sdk_config(wrap(plain_http()))
                .to_builder()
                .endpoint_url(url)
                .build()
        };
        let dynamodb_sdk = at(&dynamodb_url);
        let others_sdk = match &servers.others {
            Some(url) => at(url),
            None => {
                let mock = MockAws::builder()
                    .with_service(Arc::clone(&secrets))
                    .with_service(Arc::clone(&sqs))
                    .build();
                sdk_config(wrap(mock.http_client()))
            }
        };
        // By default, all clients of a process share a retry budget. Give each set of clients its
        // own, so that the failures that one test injects don't use up the retries of other tests.
        let retries = RetryPartition::custom("emulators").build();
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&dynamodb_sdk)
            .retry_partition(retries.clone())
            .build();
        let secrets_manager = aws_sdk_secretsmanager::config::Builder::from(&others_sdk)
            .retry_partition(retries.clone())
            .build();
        let queue = aws_sdk_sqs::config::Builder::from(&others_sdk)
            .retry_partition(retries)
            .build();
        Ok(Self {
            clients: Clients {
                dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
                secrets: aws_sdk_secretsmanager::Client::from_conf(secrets_manager),
                sqs: aws_sdk_sqs::Client::from_conf(queue),
                wakes: servers.others.is_none().then(|| sqs.wakes.clone()),
            },
            dynamodb_url,
            others_url: servers.others,
            secrets,
            sqs,
            data_dir: data_dir.map(Path::to_owned),
        })
    }

    /// Saves the secrets and the queues to the data directory. The DynamoDB emulator writes its own
    /// file. Does nothing if the state is in memory.
    ///
    /// # Errors
    /// If a file can't be written.
    pub async fn save(&self) -> Result<(), EmulatorError> {
        let Some(dir) = &self.data_dir else {
            return Ok(());
        };
        save(&*self.secrets, &dir.join(SECRETS_FILE)).await?;
        save(&*self.sqs.inner, &dir.join(SQS_FILE)).await
    }
}

impl Clients {
    /// Creates the template's table and queues under names that start with `name`. Keeps existing
    /// ones. `visibility_timeout`, in seconds, overrides the template's value, for tests that wait
    /// for messages to reappear.
    ///
    /// # Errors
    /// If the template has an unexpected form or an emulator returns an error.
    pub async fn create_resources(
        &self,
        name: &str,
        visibility_timeout: Option<u32>,
    ) -> Result<Resources, EmulatorError> {
        let table_name = format!("{name}-table");
        self.create_table(&table_name).await?;
        let dead_letter_queue_url = self
            .create_queue(&format!("{name}-dead-letter"), &[])
            .await?;
        let dead_letter_arn = self.queue_arn(&dead_letter_queue_url).await?;
        let operational_queue_url = self
            .create_queue(&format!("{name}-operational"), &[])
            .await?;
        let lane_queue = async |lane, suffix| {
            let queue = template::queue(lane)?;
            let redrive = format!(
                r#"{{"deadLetterTargetArn":"{dead_letter_arn}","maxReceiveCount":"{}"}}"#,
                queue.max_receive_count
            );
            let visibility = visibility_timeout.unwrap_or(queue.visibility_timeout);
            let visibility = visibility.to_string();
            let attributes = [
                (QueueAttributeName::VisibilityTimeout, visibility.as_str()),
                (QueueAttributeName::RedrivePolicy, redrive.as_str()),
            ];
            self.create_queue(&format!("{name}-{suffix}"), &attributes)
                .await
        };
        let queue_url = lane_queue(Lane::Fast, "delivery").await?;
        let slow_queue_url = lane_queue(Lane::Slow, "slow").await?;
        Ok(Resources {
            table_name,
            queue_url,
            slow_queue_url,
            dead_letter_queue_url,
            operational_queue_url,
            fast: mapping(Lane::Fast)?,
            slow: mapping(Lane::Slow)?,
        })
    }

    async fn create_table(&self, name: &str) -> Result<(), EmulatorError> {
        let failed = |error: String| EmulatorError::Emulator("DynamoDB", error);
        // Check for the table first. Creating it again would fail, and the SDK logs a warning for
        // each call that fails.
        let tables = self.dynamodb.list_tables().into_paginator().items().send();
        let tables: Vec<_> = tables
            .collect::<Result<_, _>>()
            .await
            .map_err(|error| failed(error.into_service_error().to_string()))?;
        if tables.iter().any(|table| table == name) {
            return Ok(());
        }
        let template = template::table()?;
        let created = self
            .dynamodb
            .create_table()
            .table_name(name)
            .set_attribute_definitions(Some(template.attributes))
            .set_key_schema(Some(template.key))
            .set_global_secondary_indexes(Some(template.indexes))
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await;
        match created.map_err(|error| error.into_service_error()) {
            Ok(_) => {}
            Err(error) if error.is_resource_in_use_exception() => return Ok(()),
            Err(error) => return Err(failed(error.to_string())),
        }
        let ttl = TimeToLiveSpecification::builder()
            .attribute_name(template.ttl_attribute)
            .enabled(true)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        self.dynamodb
            .update_time_to_live()
            .table_name(name)
            .time_to_live_specification(ttl)
            .send()
            .await
            .map_err(|error| failed(error.into_service_error().to_string()))?;
        Ok(())
    }

    async fn create_queue(
        &self,
        name: &str,
        attributes: &[(QueueAttributeName, &str)],
    ) -> Result<String, EmulatorError> {
        let mut create = self.sqs.create_queue().queue_name(name);
        for (attribute, value) in attributes {
            create = create.attributes(attribute.clone(), *value);
        }
        let created = create.send().await.map_err(|error| {
            EmulatorError::Emulator("SQS", error.into_service_error().to_string())
        })?;
        Ok(created.queue_url.unwrap_or_default())
    }

    async fn queue_arn(&self, url: &str) -> Result<String, EmulatorError> {
        let found = self
            .sqs
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .map_err(|error| {
                EmulatorError::Emulator("SQS", error.into_service_error().to_string())
            })?;
        found
            .attributes
            .and_then(|mut attributes| attributes.remove(&QueueAttributeName::QueueArn))
            .ok_or_else(|| EmulatorError::Emulator("SQS", "the queue has no ARN".to_owned()))
    }
}

const SECRETS_FILE: &str = "secrets-manager.json";
const SQS_FILE: &str = "sqs.json";

/// An SDK configuration that ignores the environment variables and AWS profiles of the machine.
fn sdk_config(http_client: SharedHttpClient) -> SdkConfig {
    let credentials =
        aws_sdk_dynamodb::config::Credentials::new("local", "local", None, None, "local");
    sdk_defaults()
        .to_builder()
        .region(Region::new(REGION))
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(
            credentials,
        ))
        .http_client(http_client)
        .build()
}

async fn restore<S: StatefulService>(service: &S, file: &Path) -> Result<(), EmulatorError> {
    if !file.exists() {
        return Ok(());
    }
    let failed =
        |error: String| EmulatorError::Emulator("saved", format!("{}: {error}", file.display()));
    let state =
        serde_json::from_slice(&std::fs::read(file)?).map_err(|error| failed(error.to_string()))?;
    service
        .restore(default_account_id(), REGION, state)
        .await
        .map_err(|error| failed(error.to_string()))
}

async fn save<S: StatefulService>(service: &S, file: &Path) -> Result<(), EmulatorError> {
    let state = service.snapshot(default_account_id(), REGION).await;
    let json = serde_json::to_vec(&state)
        .map_err(|error| EmulatorError::Emulator("saved", error.to_string()))?;
    // Write to a temporary file and rename it, so that a crash can't leave a partial file.
    let part = file.with_extension("part");
    std::fs::write(&part, json)?;
    Ok(std::fs::rename(part, file)?)
}
