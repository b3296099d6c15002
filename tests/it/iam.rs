//! Compares the roles of `template.yaml` with the AWS calls of the functions: a
//! role grants an action on a resource, and on a kind of partition key, if, and only
//! if, its function uses it.
//!
//! What is used is read from the requests on the wire, including the index of a
//! query and the writes of a transaction. A grant that no request used fails
//! the test, so the scenario has to be complete. The reverse, a call that the
//! scenario never makes, would go unnoticed; so every call in the source has to
//! be seen.

use std::collections::BTreeSet;
use std::path::Path;

use local::roles;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::delivery::delete_app::MARKED_FOR;
use webhook_endpoints::domain::id::{AppId, DeliveryId, EndpointId, EventId};
use webhook_endpoints::domain::message::{AppDeletion, Lane, Message, Recovery, Tend};
use webhook_endpoints::domain::secret::SecretStorage;
use webhook_endpoints::domain::session::SessionScope;

use crate::support::calls::{Call, Ids, call_named, every_call};
use crate::support::hand_clock::HandClock;
use crate::support::queue::{attempt_message, ping_of};
use crate::support::receiver::Receiver;
use crate::support::wire::{Fault, Request};
use crate::support::{Options, STORAGES, TestApp, answer};

/// Calls that only the admin command makes, with the permissions of the person
/// who runs it.
const ADMIN_ONLY: [&str; 2] = ["list_secrets", "scan"];

/// What Lambda itself does with a function's role.
const RUNTIME: [(&str, &str); 4] = [
    ("logs:CreateLogStream", ""),
    ("logs:PutLogEvents", ""),
    ("xray:PutTelemetryRecords", "*"),
    ("xray:PutTraceSegments", "*"),
];

/// What Lambda does with the delivery function's role to connect it to a VPC.
const NETWORK: [&str; 6] = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
];

/// What Lambda's poller does with the delivery function's role.
const POLLER: [&str; 3] = [
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
];

/// What DynamoDB and SQS do with a customer managed key on behalf of either function.
const KEY: [&str; 2] = ["kms:Decrypt", "kms:GenerateDataKey"];

const TABLE: &str = "Table.Arn";
/// The queues that the delivery function reads.
const QUEUES: [&str; 2] = ["DeliveryQueue.Arn", "SlowQueue.Arn"];
const SECRETS: &str = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${SecretPrefix}/*/*";
const PRIVATE_KEYS: &str = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${SecretPrefix}/sealing.*";

/// Actions, the resources that they are allowed on, and what they are limited to:
/// partition keys, as a pattern, or deletions that can be undone. Empty if there is no
/// such limit.
type Grants = BTreeSet<(String, String, String)>;

#[tokio::test]
async fn roles_grant_exactly_what_their_functions_call() {
    let used = Used::by_running_everything().await;

    let mut api = used.api;
    api.extend(runtime("ApiLogGroup.Arn"));
    api.extend(KEY.map(|action| unlimited(action, "KmsKeyArn")));
    assert_grants("ApiRole", &api);

    let mut deliver = used.deliver;
    deliver.extend(runtime("DeliverLogGroup.Arn"));
    deliver.extend(KEY.map(|action| unlimited(action, "KmsKeyArn")));
    for queue in QUEUES {
        deliver.extend(POLLER.map(|action| unlimited(action, queue)));
    }
    deliver.extend(NETWORK.map(|action| unlimited(action, "*")));
    assert_grants("DeliverRole", &deliver);
}

#[track_caller]
fn assert_grants(role: &'static str, used: &Grants) {
    let granted: Grants = roles::grants(role)
        .unwrap()
        .into_iter()
        .flat_map(|grant| {
            let mut patterns = grant.leading_keys;
            patterns.extend(grant.recovery_days.map(restorable));
            if patterns.is_empty() {
                patterns.push(String::new());
            }
            let (action, resource) = (grant.action, grant.resource);
            patterns
                .into_iter()
                .map(move |pattern| (action.clone(), resource.clone(), pattern))
        })
        .collect();
    // What is granted without a limit may be used within one.
    let covers = |(action, resource, _): &(String, String, String)| {
        granted.contains(&unlimited(action, resource))
    };
    let missing: Vec<_> = used
        .difference(&granted)
        .filter(|use_| !covers(use_))
        .collect();
    let unused: Vec<_> = granted.difference(used).collect();
    assert!(
        missing.is_empty() && unused.is_empty(),
        "{role} lacks {missing:?} and grants {unused:?} to no use"
    );
}

#[test]
fn keys_are_used_by_the_table_and_the_queues_only_if_there_is_one() {
    for role in ["ApiRole", "DeliverRole"] {
        let grants = roles::grants(role).unwrap().into_iter();
        let of_key = grants.filter(|grant| grant.action.starts_with("kms:"));
        let of_key: Vec<_> = of_key.collect();
        assert_eq!(of_key.len(), KEY.len(), "{of_key:?}");
        for grant in of_key {
            let services = ["dynamodb", "sqs"];
            let services = services.map(|name| format!("{name}.${{AWS::Region}}.amazonaws.com"));
            assert_eq!(grant.via_services, services);
            assert_eq!(grant.only_if.as_deref(), Some("UseKmsKey"));
        }
    }
}

#[test]
fn rights_about_the_operators_event_bus_are_granted_with_it_alone() {
    let granted = roles::grants("DeliverRole").unwrap();
    let on_queue = granted
        .iter()
        .filter(|grant| grant.resource == "OperationalQueue.Arn");
    let on_queue: Vec<_> = on_queue
        .map(|grant| (grant.action.as_str(), grant.only_if.as_deref()))
        .collect();
    assert_eq!(on_queue, [("sqs:SendMessage", Some("UseOperationalBus"))]);

    let mut pipe: Grants = POLLER
        .map(|action| unlimited(action, "OperationalQueue.Arn"))
        .into();
    let bus = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${OperationalEventBus}";
    pipe.insert(unlimited("events:PutEvents", bus));
    pipe.insert(unlimited("kms:Decrypt", "KmsKeyArn"));
    assert_grants("OperationalPipeRole", &pipe);
}

#[tokio::test]
async fn every_aws_call_in_the_source_is_covered_by_the_role_test() {
    let used = Used::by_running_everything().await;
    let written = calls_in(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    assert!(written.contains("get_item"), "{written:?}");
    let unseen: Vec<_> = written
        .iter()
        .filter(|call| !ADMIN_ONLY.contains(&call.as_str()))
        .filter(|call| !used.operations.contains(&call.replace('_', "")))
        .collect();
    assert_eq!(unseen, Vec::<&String>::new());
}

/// The AWS calls that were made.
struct Used {
    api: Grants,
    deliver: Grants,
    /// Names of all operations, in lower case.
    operations: BTreeSet<String>,
}

impl Used {
    /// Makes every API call, and handles every kind of message, with secrets kept either
    /// way.
    async fn by_running_everything() -> Self {
        let mut used = Self {
            api: Grants::new(),
            deliver: Grants::new(),
            operations: BTreeSet::new(),
        };
        for storage in STORAGES {
            used.run_everything(storage).await;
        }
        used
    }

    async fn run_everything(&mut self, storage: SecretStorage) {
        let used = self;
        let clock = HandClock::at_now();
        let mut options = Options::idle().with_storage(storage);
        options.settings.clock = clock.clock();
        options.settings.event_bus = true;
        let app = TestApp::start_with(options).await;
        let receiver = Receiver::answering(500, "").await;
        let (id, _) = app.api.create_webhook(&receiver.url).await;
        let (inactive, _) = app.api.create_webhook(&receiver.url).await;
        let patch = json!({"active": false});
        app.api.put_json(&format!("/{inactive}"), &patch).await;
        let event = app.api.must_publish("invoice.paid").await;
        used.by_api(&app);
        // A new type, which takes more than a change.
        let new = app.api.by_platform(Method::PUT, "/event-types/iam.new");
        let added = answer(new.json(&json!({"description": ""}))).await;
        assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
        used.by_api(&app);

        handle_queue(&app).await;
        used.by_deliver(&app);

        let delivery = app.api.must_have_one_delivery(&id).await["id"].clone();
        let ids = Ids {
            endpoint: id.clone(),
            delivery: delivery.as_str().unwrap().to_owned(),
            event,
            key: Ids::key(&app).await,
            session: Ids::session(&app).await,
        };
        Ids::add_event_type(&app).await;
        app.aws.wire.take_requests();
        // This filter uses its own index.
        let failed = app
            .api
            .get(&format!("/{id}/deliveries?status=FAILED"))
            .await;
        assert!(failed.status.is_success(), "{failed:?}");
        used.by_api(&app);
        let now = app.deliverer.clock.now();
        let recovery = Recovery {
            id: EventId::new(),
            endpoint: app.aws.endpoint_key(EndpointId::parse(&id).unwrap()),
            asked_at: now,
            from: DeliveryId::least_of("2026-01-01T00:00:00Z".parse().unwrap()),
            before: DeliveryId::least_of(now),
            remaining: 10,
        };
        let tend = Tend::now(recovery.endpoint);
        // A deletion that broke off long ago.
        let (marked, _) = app.api.create_webhook(&receiver.url).await;
        used.by_api(&app);
        let marked = app.aws.endpoint_key(EndpointId::parse(&marked).unwrap());
        let long_ago = now - std::time::Duration::from_secs(60 * 60);
        let table = app.aws.table();
        table.mark_endpoint_deleted(marked, long_ago).await.unwrap();
        app.aws.wire.take_requests();
        for message in [
            Message::Recover(recovery),
            Message::Tend(tend),
            Message::Sweep,
        ] {
            app.queue.must_handle(message.to_json().unwrap()).await;
        }
        handle_queue(&app).await;
        used.by_deliver(&app);

        // A message that fails, and one that cannot be read, in each lane.
        app.aws.wire.break_calls(&["BatchGetItem"], Fault::Before);
        for lane in [Lane::Fast, Lane::Slow] {
            let failing = attempt_message(&ping_of(&app, &id));
            for body in [failing.as_str(), "{"] {
                app.queue.enqueue_in(lane, body).await;
            }
            let back = app.queue.handle(app.queue.queued_in(lane).await).await;
            assert_eq!(back.unwrap().len(), 1);
        }
        app.aws.wire.mend();
        used.by_deliver(&app);

        // The platform's keys are kept apart from those of apps.
        let platform_key = Some(app.platform_key.expose());
        let call = Call::publish();
        let publish = app.api.call_as(AppId::new(), platform_key, &call);
        assert!(publish.await.status.is_success());
        used.by_api(&app);
        handle_queue(&app).await;
        used.by_deliver(&app);

        // And so are portal sessions.
        let (token, _) = app.session(SessionScope::Read, None).await;
        app.aws.wire.take_requests();
        let call = call_named("getKey", &ids);
        let own = app.api.call_as(app.app_id, Some(token.expose()), &call);
        assert!(own.await.status.is_success());
        used.by_api(&app);

        // A rotation moves a secret, and brings back one that was removed.
        let beside = app.another_api(SecretStorage::PerEndpoint).await;
        let sealed = app.another_api(SecretStorage::Sealed).await;
        let rotation = format!("/{id}/rotate-secret");
        for api in [&beside, &sealed, &beside] {
            assert!(api.post(&rotation).await.status.is_success());
            used.by_api(&app);
        }
        app.aws.remove_secret(&id, Some(7)).await;
        app.aws.wire.take_requests();
        assert!(beside.post(&rotation).await.status.is_success());
        assert!(app.api.post(&rotation).await.status.is_success());
        used.by_api(&app);

        for call in every_call(&ids) {
            let answer = app.api.call(&call).await;
            assert!(answer.status.is_success(), "{}: {answer:?}", call.name);
        }
        used.by_api(&app);
        handle_queue(&app).await;
        // The last step of the app's deletion, which waits for caches to expire.
        clock.advance(MARKED_FOR);
        let app_id = app.app_id;
        let last = Message::DeleteApp(AppDeletion { app_id });
        app.queue.must_handle(last.to_json().unwrap()).await;
        used.by_deliver(&app);
    }

    fn by_api(&mut self, app: &TestApp) {
        let requests = app.aws.wire.take_requests();
        self.note(&requests);
        self.api.extend(requests.iter().flat_map(needed));
    }

    fn by_deliver(&mut self, app: &TestApp) {
        let requests = app.aws.wire.take_requests();
        self.note(&requests);
        self.deliver.extend(requests.iter().flat_map(needed));
    }

    fn note(&mut self, requests: &[Request]) {
        let names = requests.iter().map(|call| call.operation.to_lowercase());
        self.operations.extend(names);
    }
}

fn unlimited(action: &str, resource: &str) -> (String, String, String) {
    (action.to_owned(), resource.to_owned(), String::new())
}

/// The limit of a deletion that can be undone for so many days.
fn restorable(days: u64) -> String {
    format!("restorable for {days} days")
}

/// What IAM checks for a request.
fn needed(request: &Request) -> Vec<(String, String, String)> {
    let body = request.body();
    let operation = request.operation.as_str();
    match operation {
        "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "Query" => {
            vec![on_table(operation, &body)]
        }
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().unwrap().values();
            let keys = tables.flat_map(|table| table["Keys"].as_array().unwrap());
            keys.map(|key| on_table(operation, &json!({ "Key": key })))
                .collect()
        }
        "BatchWriteItem" => {
            let tables = body["RequestItems"].as_object().unwrap().values();
            let writes = tables.flat_map(|writes| writes.as_array().unwrap());
            writes
                .map(|write| match &write["DeleteRequest"]["Key"] {
                    Value::Null => json!({"Key": write["PutRequest"]["Item"]}),
                    key => json!({ "Key": key }),
                })
                .map(|body| on_table(operation, &body))
                .collect()
        }
        // IAM checks a transaction as its individual writes.
        "TransactWriteItems" => body["TransactItems"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|item| item.as_object().unwrap())
            .map(|(write, body)| on_table(&format!("{write}Item"), body))
            .collect(),
        "SendMessage" | "SendMessageBatch" => {
            vec![unlimited("sqs:SendMessage", queue_of(&body))]
        }
        "ChangeMessageVisibilityBatch" => {
            vec![unlimited("sqs:ChangeMessageVisibility", queue_of(&body))]
        }
        "CreateSecret" | "PutSecretValue" | "RestoreSecret" | "GetSecretValue" | "DeleteSecret" => {
            let name = body["Name"].as_str().or(body["SecretId"].as_str()).unwrap();
            let rest = name.strip_prefix("webhook-endpoints/").unwrap();
            let resource = match rest.starts_with("sealing.") && !rest.contains('/') {
                true => PRIVATE_KEYS,
                false => SECRETS,
            };
            let action = format!("secretsmanager:{operation}");
            let mut needed = vec![match body["RecoveryWindowInDays"].as_u64() {
                Some(days) => (action, resource.to_owned(), restorable(days)),
                None => unlimited(&action, resource),
            }];
            if body["Tags"] != Value::Null {
                needed.push(unlimited("secretsmanager:TagResource", resource));
            }
            needed
        }
        unknown => panic!("which permissions does {unknown} need?"),
    }
}

/// The queue of a call, as the template names it.
fn queue_of(body: &Value) -> &'static str {
    let url = body["QueueUrl"].as_str().unwrap();
    match url.rsplit('-').next() {
        Some("delivery") => "DeliveryQueue.Arn",
        Some("slow") => "SlowQueue.Arn",
        Some("letter") => "DeadLetterQueue.Arn",
        Some("operational") => "OperationalQueue.Arn",
        _ => panic!("unknown queue {url}"),
    }
}

/// What IAM checks for a call on one item, or on one partition.
fn on_table(operation: &str, body: &Value) -> (String, String, String) {
    let resource = match body["IndexName"].as_str() {
        None => TABLE.to_owned(),
        Some(index) => format!("${{Table.Arn}}/index/{index}"),
    };
    let partition = match operation {
        "PutItem" => &body["Item"]["pk"]["S"],
        "Query" => partition_of_query(body),
        _ => &body["Key"]["pk"]["S"],
    };
    let partition = partition.as_str().unwrap_or_else(|| panic!("{body}"));
    let (kind, _) = partition.split_once('#').unwrap();
    // The first index lists an app's API keys as well, which one function may read.
    let pattern = match resource.ends_with("gsi1") {
        true if partition.contains("#E#") => format!("{kind}#*#E#*"),
        true if partition.ends_with("#KEYS") => format!("{kind}#*#KEYS"),
        _ => format!("{kind}#*"),
    };
    (format!("dynamodb:{operation}"), resource, pattern)
}

/// The value that the key condition compares the partition key with.
fn partition_of_query(body: &Value) -> &Value {
    let condition = body["KeyConditionExpression"].as_str().unwrap();
    let (_, rest) = condition.split_once("#pk = ").unwrap();
    let value = rest.split(' ').next().unwrap();
    &body["ExpressionAttributeValues"][value]["S"]
}

fn runtime(log_group: &str) -> impl Iterator<Item = (String, String, String)> {
    RUNTIME.into_iter().map(move |(action, resource)| {
        let resource = if resource.is_empty() {
            log_group
        } else {
            resource
        };
        unlimited(action, resource)
    })
}

/// Handles messages as the delivery function does, until the queue is empty.
async fn handle_queue(app: &TestApp) {
    loop {
        let queued = app.queue.queued().await;
        if queued.is_empty() {
            return;
        }
        assert_eq!(app.queue.handle(queued).await, Ok(Vec::new()));
    }
}

/// The SDK calls in these sources: methods of a field `client`.
fn calls_in(dir: &Path) -> BTreeSet<String> {
    let mut calls = BTreeSet::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            calls.extend(calls_in(&path));
            continue;
        }
        // These call receivers with an HTTP client, not AWS.
        if path.ends_with("sender.rs") || path.ends_with("connections.rs") {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for after in source.split(".client").skip(1) {
            if let Some(call) = after.trim_start().strip_prefix('.') {
                let name = call.split('(').next().unwrap_or_default();
                calls.insert(name.to_owned());
            }
        }
    }
    calls
}
