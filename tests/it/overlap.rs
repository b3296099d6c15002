//! Rotations with an overlap, during which both secrets sign.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::domain::endpoint::SecretVersion;
use webhook_endpoints::domain::id::EndpointId;
use webhook_endpoints::domain::secret::SecretStorage;
use webhook_endpoints::domain::time::iso_millis;

use crate::support::hand_clock::HandClock;
use crate::support::queue::{attempt_message, message, ping_of};
use crate::support::receiver::Receiver;
use crate::support::sealing::{cold_ping, must_sign_with, overlap, rotate, secret_of};
use crate::support::wire::Fault;
use crate::support::{Options, STORAGES, TestApp};

const HOUR: Duration = Duration::from_secs(3600);

/// A service without a poller, on this clock.
async fn app_at(clock: &HandClock, storage: SecretStorage) -> TestApp {
    TestApp::start_with(Options::stepwise_with(clock).with_storage(storage)).await
}

async fn expiry(app: &TestApp, id: &str) -> Value {
    let shown = app.api.get(&format!("/{id}")).await;
    let listed = app.api.get("?view=full").await;
    assert_eq!(listed.data()[0], *shown.data());
    shown.data()["previousSecretExpiresAt"].clone()
}

/// Asserts that a warm process and a cold one sign with these secrets, newest first.
async fn must_sign_with_each(app: &TestApp, receiver: &Receiver, id: &str, secrets: &[&str]) {
    let cold = cold_ping(app, receiver, id).await;
    assert_eq!(cold.signers(secrets), secrets);
    let task = app.api.ping_preferring(id, "respond-async").await;
    assert_eq!(task.status, StatusCode::ACCEPTED, "{task:?}");
    let queued = app.queue.queued().await;
    assert_eq!(app.queue.handle(queued).await, Ok(Vec::new()));
    let warm = receiver.received().pop().unwrap();
    assert_eq!(warm.signers(secrets), secrets);
}

#[tokio::test]
async fn both_secrets_sign_until_the_overlap_ends() {
    for storage in STORAGES {
        let clock = HandClock::at_now();
        let app = app_at(&clock, storage).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, old) = app.api.create_webhook(&receiver.url).await;
        assert_eq!(expiry(&app, &id).await, Value::Null);
        let new = overlap(&app.api, &id).await;
        let until = iso_millis(clock.now() + HOUR);
        assert_eq!(expiry(&app, &id).await, until);
        must_sign_with_each(&app, &receiver, &id, &[&new, &old]).await;
        // Checked only now: the libraries compare timestamps with the system clock.
        let arrived = receiver.received().pop().unwrap();
        assert!(arrived.is_signed_with(&new) && arrived.is_signed_with(&old));

        clock.advance(HOUR - Duration::from_millis(1));
        assert_eq!(expiry(&app, &id).await, until);
        must_sign_with_each(&app, &receiver, &id, &[&new, &old]).await;
        clock.advance_millis(1);
        assert_eq!(expiry(&app, &id).await, Value::Null);
        must_sign_with_each(&app, &receiver, &id, &[&new]).await;
    }
}

#[tokio::test]
async fn next_rotation_ends_the_previous_overlap() {
    for storage in STORAGES {
        let app = app_at(&HandClock::at_now(), storage).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, _) = app.api.create_webhook(&receiver.url).await;
        let second = overlap(&app.api, &id).await;
        let third = overlap(&app.api, &id).await;
        must_sign_with_each(&app, &receiver, &id, &[&third, &second]).await;
        let fourth = rotate(&app.api, &id).await;
        assert_eq!(expiry(&app, &id).await, Value::Null);
        must_sign_with_each(&app, &receiver, &id, &[&fourth]).await;
    }
}

#[tokio::test]
async fn deleting_the_previous_secret_ends_the_overlap_at_once() {
    for storage in STORAGES {
        let clock = HandClock::at_now();
        let app = app_at(&clock, storage).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, old) = app.api.create_webhook(&receiver.url).await;
        let new = overlap(&app.api, &id).await;
        must_sign_with_each(&app, &receiver, &id, &[&new, &old]).await;
        clock.advance_millis(1);
        let path = format!("/{id}/previous-secret");
        let deleted = app.api.delete(&path).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
        assert_eq!(expiry(&app, &id).await, Value::Null);
        must_sign_with_each(&app, &receiver, &id, &[&new]).await;
        // No previous secret is left, so the second deletion changes nothing.
        let shown = app.api.get(&format!("/{id}")).await;
        assert_eq!(shown.data()["updatedAt"], iso_millis(clock.now()));
        clock.advance_millis(1);
        let again = app.api.delete(&path).await;
        assert_eq!(again.status, StatusCode::NO_CONTENT);
        assert_eq!(app.api.get(&format!("/{id}")).await.body, shown.body);

        app.api.delete(&format!("/{id}")).await;
        for missing in [id, EndpointId::new().to_string()] {
            let missing = app.api.delete(&format!("/{missing}/previous-secret")).await;
            missing.must_fail_with(404, "NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn own_secrets_of_either_format_sign_together() {
    for storage in STORAGES {
        let app = app_at(&HandClock::at_now(), storage).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, _) = app.api.create_webhook(&receiver.url).await;
        let path = format!("/{id}/rotate-secret");
        let text = "a-secret-of-our-own";
        let standard = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let rotation = json!({"secret": text, "secretFormat": "text"});
        app.api.post_json(&path, &rotation).await;
        let rotation = json!({"secret": standard, "overlapSeconds": 604_800});
        let rotated = app.api.post_json(&path, &rotation).await;
        assert_eq!(secret_of(&rotated), standard);
        must_sign_with_each(&app, &receiver, &id, &[standard, text]).await;
        let arrived = receiver.received().pop().unwrap();
        assert!(arrived.is_signed_with(standard) && arrived.is_signed_with(text));
    }
}

#[tokio::test]
async fn overlaps_of_up_to_seven_days_are_accepted() {
    let clock = HandClock::at_now();
    let app = app_at(&clock, SecretStorage::Sealed).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let path = format!("/{id}/rotate-secret");
    let rotate = async |overlap: &Value| {
        let body = json!({"overlapSeconds": overlap});
        app.api.post_json(&path, &body).await
    };
    for (taken, seconds) in [
        (json!(null), 0),
        (json!(0), 0),
        (json!(1), 1),
        (json!(60.0), 60),
        (json!(604_800), 604_800),
    ] {
        secret_of(&rotate(&taken).await);
        let until = clock.now() + Duration::from_secs(seconds);
        let expected = match seconds {
            0 => Value::Null,
            _ => json!(iso_millis(until)),
        };
        assert_eq!(expiry(&app, &id).await, expected, "{taken}");
    }
    for refused in [
        json!(-1),
        json!(604_801),
        json!(1.5),
        json!("60"),
        json!([]),
    ] {
        let refused = rotate(&refused).await;
        refused.must_be_invalid(&["overlapSeconds"]);
    }
}

#[tokio::test]
async fn overlaps_cost_warm_attempts_no_extra_calls() {
    for storage in STORAGES {
        let app = app_at(&HandClock::at_now(), storage).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, old) = app.api.create_webhook(&receiver.url).await;
        must_sign_with_each(&app, &receiver, &id, &[&old]).await;
        let new = overlap(&app.api, &id).await;
        // The process has cached the old secret, and reads only the new one.
        let reads: [&[&str]; 2] = match storage {
            SecretStorage::PerEndpoint => [&["GetSecretValue"], &[]],
            SecretStorage::Sealed => [&[], &[]],
        };
        for reads in reads {
            app.api.ping_preferring(&id, "respond-async").await;
            let queued = app.queue.queued().await;
            app.aws.wire.take();
            assert_eq!(app.queue.handle(queued).await, Ok(Vec::new()));
            let expected = [&["BatchGetItem"], reads, &["UpdateItem"]].concat();
            assert_eq!(app.aws.wire.take(), expected);
            let arrived = receiver.received().pop().unwrap();
            assert_eq!(arrived.signers(&[&new, &old]), [&new, &old]);
        }
    }
}

/// Makes an endpoint name a previous secret that does not exist or cannot be decrypted.
async fn lose_previous_secret(app: &TestApp, id: &str) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let lost = SecretVersion::random();
    let stored = attribute::previous::STORED_VERSION;
    app.aws
        .clients
        .dynamodb
        .update_item()
        .table_name(&app.aws.resources.table_name)
        .key("pk", text(&format!("APP#{}", app.app_id)))
        .key("sk", text(&format!("E#{id}")))
        .update_expression("SET #previous.#version = :lost, #previous.#stored = :lost")
        .expression_attribute_names("#previous", attribute::PREVIOUS_SECRET)
        .expression_attribute_names("#version", attribute::previous::VERSION)
        .expression_attribute_names("#stored", stored)
        .expression_attribute_values(":lost", text(lost.as_str()))
        .send()
        .await
        .expect("edit the item");
}

#[tokio::test]
async fn lost_previous_secrets_do_not_stop_attempts() {
    for storage in STORAGES {
        let app = app_at(&HandClock::at_now(), storage).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, _) = app.api.create_webhook(&receiver.url).await;
        let new = overlap(&app.api, &id).await;
        lose_previous_secret(&app, &id).await;
        must_sign_with_each(&app, &receiver, &id, &[&new]).await;
    }
}

#[tokio::test]
async fn unreadable_previous_secrets_do_not_stop_attempts() {
    let app = app_at(&HandClock::at_now(), SecretStorage::Sealed).await;
    let receiver = Receiver::answering(200, "").await;
    let per_endpoint = app.another_api(SecretStorage::PerEndpoint).await;
    let (id, old) = per_endpoint.create_webhook(&receiver.url).await;
    // The new secret is sealed. The old one is in Secrets Manager.
    let new = overlap(&app.api, &id).await;
    // Makes the process read the private key.
    let (other, secret) = app.api.create_webhook(&receiver.url).await;
    must_sign_with(&app, &receiver, &other, &secret).await;
    app.aws.wire.break_calls(&["GetSecretValue"], Fault::Before);
    let ping = message(Some("ping"), attempt_message(&ping_of(&app, &id)));
    assert_eq!(app.queue.handle([ping]).await, Ok(Vec::new()));
    app.aws.wire.mend();
    let arrived = receiver.received().pop().unwrap();
    assert_eq!(arrived.signers(&[&new, &old]), [&new]);
    must_sign_with_each(&app, &receiver, &id, &[&new, &old]).await;
}
