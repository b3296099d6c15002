//! API calls while AWS calls fail. The SDK tries each AWS call three times, so a failure is
//! visible only if it persists.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::json;

use webhook_endpoints::aws::table::attribute;

use crate::support::calls::{Ids, every_call};
use crate::support::log;
use crate::support::queue::endpoint_id;
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Answer, Options, TestApp};

const TABLE: &[&str] = &[
    "BatchGetItem",
    "GetItem",
    "PutItem",
    "Query",
    "TransactWriteItems",
    "UpdateItem",
];

/// Asserts that this is a 503 that says when to retry, and reveals no internals.
#[track_caller]
pub fn assert_unavailable(answer: &Answer) {
    answer.must_fail_with(503, "UNAVAILABLE");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_reveals_nothing(answer);
}

#[track_caller]
pub fn assert_reveals_nothing(answer: &Answer) {
    let text = answer.body.to_string();
    for inside in [
        "disturbed",
        "Secret",
        "Item",
        "Query",
        "Message",
        "dispatch",
        "Dynamo",
        "arn:",
        "Exception",
    ] {
        assert!(!text.contains(inside), "{text}");
    }
}

/// A service with one endpoint and its receiver.
struct Pinged {
    app: TestApp,
    receiver: Receiver,
    id: String,
    secret: String,
}

impl Pinged {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let receiver = Receiver::answering(200, "").await;
        let (id, secret) = app.api.create_webhook(&receiver.url).await;
        Self {
            app,
            receiver,
            id,
            secret,
        }
    }

    async fn rotate(&self) -> Answer {
        self.app
            .api
            .post(&format!("/{}/rotate-secret", self.id))
            .await
    }

    /// Pings the endpoint, and returns whether the ping is signed with this secret.
    async fn signs_with(&self, secret: &str) -> bool {
        let ping = self.app.api.ping(&self.id).await;
        assert_eq!(ping["success"], true, "{ping:?}");
        let received = self.receiver.received();
        received.last().unwrap().is_signed_with(secret)
    }
}

fn secret_of(answer: &Answer) -> String {
    assert!(answer.status.is_success(), "{answer:?}");
    answer.data()["secret"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn calls_are_unavailable_while_the_table_is_down() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let calls = every_call(&Ids::with_delivery(&app, &id).await);
    app.aws.wire.break_calls(TABLE, Fault::Before);
    let answers = join_all(calls.iter().map(|call| app.api.call(call))).await;
    for (call, answer) in calls.iter().zip(&answers) {
        match call.name {
            // Publishing uses only the queue.
            "publishEvent" | "publishEvents" => assert_eq!(answer.status, StatusCode::ACCEPTED),
            // The key is cached.
            "getKey" => assert_eq!(answer.status, StatusCode::OK),
            _ => assert_unavailable(answer),
        }
    }
    app.aws.wire.mend();
    assert_eq!(app.api.listed_ids().await, [id]);
}

#[tokio::test]
async fn failed_key_lookups_are_not_authentication_errors() {
    let app = TestApp::start().await;
    app.aws.wire.break_calls(&["GetItem"], Fault::Before);
    assert_unavailable(&app.api.get("").await);
    app.aws.wire.mend();
    assert_eq!(app.api.get("").await.status, StatusCode::OK);
}

#[tokio::test]
async fn creation_without_its_secret_creates_no_endpoint() {
    let app = TestApp::start().await;
    app.aws.wire.break_calls(&["CreateSecret"], Fault::Before);
    assert_unavailable(&app.api.try_create().await);
    assert!(
        !app.aws
            .wire
            .take()
            .contains(&"TransactWriteItems".to_owned())
    );
    assert!(app.api.listed_ids().await.is_empty());
    assert!(app.aws.secret_names().await.is_empty());
    app.aws.wire.mend();
    assert_eq!(app.api.try_create().await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn failed_table_writes_leave_no_endpoint() {
    let app = TestApp::start().await;
    app.aws
        .wire
        .break_calls(&["TransactWriteItems"], Fault::Before);
    assert_unavailable(&app.api.try_create().await);
    assert!(app.api.listed_ids().await.is_empty());
    app.aws.wire.mend();
    assert_eq!(app.api.try_create().await.status, StatusCode::CREATED);
    assert_eq!(app.api.listed_ids().await.len(), 1);
}

#[tokio::test]
async fn endpoints_created_with_a_lost_response_can_be_used() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    app.aws
        .wire
        .break_calls(&["TransactWriteItems"], Fault::After);
    let body = json!({"url": receiver.url, "events": ["*"]});
    assert_unavailable(&app.api.post_json("", &body).await);
    app.aws.wire.mend();

    // The secret was never shown, but the owner can list the endpoint and rotate it.
    let ids = app.api.listed_ids().await;
    assert_eq!(ids.len(), 1);
    let secret = secret_of(&app.api.post(&format!("/{}/rotate-secret", ids[0])).await);
    assert_eq!(app.api.ping(&ids[0]).await["success"], true);
    assert!(receiver.must_receive_one().is_signed_with(&secret));
    let deleted = app.api.delete(&format!("/{}", ids[0])).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert!(app.aws.secret_names().await.is_empty());
}

#[tokio::test]
async fn creation_survives_a_lost_response() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    app.aws.wire.break_once("TransactWriteItems", Fault::After);
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    let calls = app.aws.wire.take();
    let writes = calls.iter().filter(|call| *call == "TransactWriteItems");
    assert_eq!(writes.count(), 2);
    assert_eq!(app.api.listed_ids().await, std::slice::from_ref(&id));
    app.api.ping(&id).await;
    assert!(receiver.must_receive_one().is_signed_with(&secret));
}

#[tokio::test]
async fn updates_with_a_lost_response_apply_or_can_be_retried() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let path = format!("/{id}");
    let patch = json!({"active": false});
    app.aws.wire.break_once("UpdateItem", Fault::After);
    let updated = app.api.put_json(&path, &patch).await;
    assert_eq!(updated.data()["active"], false);

    let patch = json!({"events": ["a"]});
    app.aws.wire.break_calls(&["UpdateItem"], Fault::After);
    assert_unavailable(&app.api.put_json(&path, &patch).await);
    app.aws.wire.mend();
    let repeated = app.api.put_json(&path, &patch).await;
    assert_eq!(repeated.data()["events"], json!(["a"]));
    assert_eq!(repeated.data()["active"], false);
}

#[tokio::test]
async fn failed_rotations_keep_the_old_secret() {
    let pinged = Pinged::start().await;
    for operation in [&["PutSecretValue"], &["UpdateItem"]] {
        pinged.app.aws.wire.break_calls(operation, Fault::Before);
        assert_unavailable(&pinged.rotate().await);
        pinged.app.aws.wire.mend();
        assert!(pinged.signs_with(&pinged.secret).await, "{operation:?}");
    }
    let new = secret_of(&pinged.rotate().await);
    assert!(pinged.signs_with(&new).await);
}

#[tokio::test]
async fn rotation_survives_a_lost_response() {
    // The first update reserves the rotation, the second makes the new version current.
    // Each lost response costs one more call, the SDK's retry.
    for (operation, lost, expected) in [
        ("PutSecretValue", 1, 2),
        ("UpdateItem", 1, 3),
        ("UpdateItem", 2, 3),
    ] {
        let pinged = Pinged::start().await;
        let mut made = 0;
        pinged.app.aws.wire.disturb(move |call| {
            made += u32::from(call == operation);
            (call == operation && made == lost).then_some(Fault::After)
        });
        let new = secret_of(&pinged.rotate().await);
        let calls = pinged.app.aws.wire.take();
        let made = calls.iter().filter(|call| *call == operation).count();
        assert_eq!(made, expected, "{operation} {lost}");
        assert!(pinged.signs_with(&new).await, "{operation}");
        assert!(!pinged.signs_with(&pinged.secret).await, "{operation}");
    }
}

#[tokio::test]
async fn rotations_with_a_lost_response_can_be_retried() {
    let pinged = Pinged::start().await;
    // The second update makes the new version current.
    pinged
        .app
        .aws
        .wire
        .break_from("UpdateItem", 2, Fault::After);
    assert_unavailable(&pinged.rotate().await);
    pinged.app.aws.wire.mend();
    let new = secret_of(&pinged.rotate().await);
    assert!(pinged.signs_with(&new).await);
    assert!(!pinged.signs_with(&pinged.secret).await);
}

#[tokio::test]
async fn throttled_calls_say_when_to_retry() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    const THROTTLED: Fault = Fault::Refused(
        r#"{"__type": "ThrottlingException", "message": "Rate of arn:aws:x exceeded"}"#,
    );
    const KEY_THROTTLED: Fault = Fault::Refused(
        r#"{"__type": "com.amazonaws.sqs#KMS.ThrottlingException", "message": "Rate exceeded"}"#,
    );
    let path = format!("/{id}");
    for fault in [THROTTLED, KEY_THROTTLED] {
        app.aws.wire.disturb(move |_| Some(fault));
        let event = app.api.publishing().body(r#"{"type":"a","data":1}"#);
        for answer in [
            app.api.get("").await,
            app.api.get(&path).await,
            app.api.try_create().await,
            crate::support::answer(event).await,
        ] {
            answer.must_fail_with(429, "RATE_LIMIT");
            assert_eq!(answer.headers["retry-after"], "1");
            assert_reveals_nothing(&answer);
        }
    }
    app.aws.wire.mend();
}

#[tokio::test]
async fn aws_refusals_are_internal_errors_without_a_cause() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    const DENIED: Fault = Fault::Refused(
        r#"{"__type": "AccessDeniedException", "message": "arn:aws:iam::1:role/x may not"}"#,
    );
    let mut calls = every_call(&Ids::with_delivery(&app, &id).await);
    // `getKey` makes no AWS call, because the key is cached.
    calls.retain(|call| call.name != "getKey");
    app.aws.wire.disturb(|call| {
        let denied = TABLE.contains(&call) || call.starts_with("SendMessage");
        denied.then_some(DENIED)
    });
    for answer in join_all(calls.iter().map(|call| app.api.call(call))).await {
        answer.must_fail_with(500, "INTERNAL_ERROR");
        assert!(!answer.headers.contains_key("retry-after"));
        assert_reveals_nothing(&answer);
    }
}

#[tokio::test]
async fn errors_are_logged_with_their_cause_and_request_id() {
    log::start();
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let now = app.deliverer.clock.now();
    let endpoint = endpoint_id(&id);
    let task = app.aws.seed_event(endpoint, "invoice.paid", now, 200).await;
    let app_id = app.app_id;
    let event = format!("APP#{app_id}#V#{}", task.source.event_id());
    let update = app.aws.clients.dynamodb.update_item();
    update
        .table_name(&app.aws.resources.table_name)
        .key("pk", AttributeValue::S(event))
        .key("sk", AttributeValue::S("V".to_owned()))
        .update_expression("SET #data = :broken")
        .expression_attribute_names("#data", attribute::DATA)
        .expression_attribute_values(":broken", AttributeValue::S("{oops".to_owned()))
        .send()
        .await
        .expect("break the event's payload");
    let path = format!("/{id}/deliveries/{}", task.delivery_id);
    let failed = app.api.get(&path).await;
    failed.must_fail_with(500, "INTERNAL_ERROR");
    assert!(!failed.body.to_string().contains("oops"));
    let request_id = failed.headers["x-request-id"].to_str().unwrap();
    let lines = log::lines_with(request_id);
    let cause = "key must be a string";
    assert!(lines.iter().any(|line| line.contains(cause)), "{lines:#?}");
    assert!(
        !lines.iter().any(|line| line.contains("oops")),
        "{lines:#?}"
    );
}
