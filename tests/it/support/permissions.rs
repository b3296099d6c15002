//! What IAM checks for a request: actions, the resources they are taken on, and the
//! condition keys that depend on the request.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::wire::Request;

/// The operation that a transaction's writes are part of.
const TRANSACTION: &str = "TransactWriteItems";

/// A permission that a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    pub action: String,
    /// A resource of the template by its logical id, which an index of the table follows:
    /// `Table/index/gsi1`. A secret by its name: `secret:webhook-endpoints/…`.
    pub resource: String,
    /// The values of condition keys.
    pub context: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Needed {
    fn new(action: String, resource: &str) -> Self {
        Self {
            action,
            resource: resource.to_owned(),
            context: BTreeMap::new(),
        }
    }

    fn with(mut self, key: &'static str, values: impl IntoIterator<Item = String>) -> Self {
        self.context.insert(key, values.into_iter().collect());
        self
    }
}

/// The permissions that a request needs.
pub fn needed(request: &Request) -> Vec<Needed> {
    let body = request.body();
    let operation = request.operation.as_str();
    match operation {
        "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "Query" => {
            vec![on_table(
                operation,
                body["IndexName"].as_str(),
                [partition(operation, &body)],
            )]
        }
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().unwrap().values();
            let keys = tables.flat_map(|table| table["Keys"].as_array().unwrap());
            vec![on_table(operation, None, keys.map(key))]
        }
        "BatchWriteItem" => {
            let tables = body["RequestItems"].as_object().unwrap().values();
            let writes = tables.flat_map(|writes| writes.as_array().unwrap());
            let keys = writes.map(|write| match &write["DeleteRequest"]["Key"] {
                Value::Null => key(&write["PutRequest"]["Item"]),
                deleted => key(deleted),
            });
            vec![on_table(operation, None, keys)]
        }
        // IAM checks a transaction as its individual writes.
        TRANSACTION => body["TransactItems"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|item| item.as_object().unwrap())
            .map(|(write, body)| {
                let write = format!("{write}Item");
                on_table(&write, None, [partition(&write, body)])
                    .with("dynamodb:EnclosingOperation", [TRANSACTION.to_owned()])
            })
            .collect(),
        "SendMessage" | "SendMessageBatch" => on_queue("SendMessage", &body),
        "ChangeMessageVisibilityBatch" => on_queue("ChangeMessageVisibility", &body),
        "CreateSecret" | "PutSecretValue" | "RestoreSecret" | "GetSecretValue" | "DeleteSecret" => {
            on_secret(operation, &body)
        }
        unknown => panic!("which permissions does {unknown} need?"),
    }
}

/// What IAM checks for a call on items of these partitions.
fn on_table(
    operation: &str,
    index: Option<&str>,
    partitions: impl IntoIterator<Item = String>,
) -> Needed {
    let resource = match index {
        None => "Table".to_owned(),
        Some(index) => format!("Table/index/{index}"),
    };
    Needed::new(format!("dynamodb:{operation}"), &resource).with("dynamodb:LeadingKeys", partitions)
}

/// The partition of a call on one item, or of a query.
fn partition(operation: &str, body: &Value) -> String {
    match operation {
        "PutItem" => key(&body["Item"]),
        "Query" => {
            let condition = body["KeyConditionExpression"].as_str().unwrap();
            let (_, rest) = condition.split_once("#pk = ").unwrap();
            let value = rest.split(' ').next().unwrap();
            key(&json!({"pk": body["ExpressionAttributeValues"][value]}))
        }
        _ => key(&body["Key"]),
    }
}

fn key(item: &Value) -> String {
    let partition = item["pk"]["S"].as_str();
    partition.unwrap_or_else(|| panic!("{item}")).to_owned()
}

fn on_queue(action: &str, body: &Value) -> Vec<Needed> {
    let url = body["QueueUrl"].as_str().unwrap();
    let queue = match url.rsplit('-').next() {
        Some("delivery") => "DeliveryQueue",
        Some("slow") => "SlowQueue",
        Some("letter") => "DeadLetterQueue",
        Some("operational") => "OperationalQueue",
        _ => panic!("unknown queue {url}"),
    };
    vec![Needed::new(format!("sqs:{action}"), queue)]
}

fn on_secret(operation: &str, body: &Value) -> Vec<Needed> {
    let name = body["Name"].as_str().or(body["SecretId"].as_str()).unwrap();
    let resource = format!("secret:{name}");
    let mut call = Needed::new(format!("secretsmanager:{operation}"), &resource);
    if let Some(days) = body["RecoveryWindowInDays"].as_u64() {
        call = call.with("secretsmanager:RecoveryWindowInDays", [days.to_string()]);
    }
    if let Some(forced) = body["ForceDeleteWithoutRecovery"].as_bool() {
        let key = "secretsmanager:ForceDeleteWithoutRecovery";
        call = call.with(key, [forced.to_string()]);
    }
    let mut needed = vec![call];
    if let Some(tags) = body["Tags"].as_array() {
        let names = tags
            .iter()
            .map(|tag| tag["Key"].as_str().unwrap().to_owned());
        let tagging = Needed::new("secretsmanager:TagResource".to_owned(), &resource);
        needed.push(tagging.with("aws:TagKeys", names));
    }
    needed
}
