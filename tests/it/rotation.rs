//! Rotations, after which the old secret signs nothing.

use futures_util::future::join_all;
use reqwest::StatusCode;
use webhook_endpoints::domain::id::EndpointId;
use webhook_endpoints::domain::time::iso_millis;

use crate::support::hand_clock::HandClock;
use crate::support::queue::{attempt_message, message, ping_of};
use crate::support::receiver::{Received, Receiver};
use crate::support::wire::Fault;
use crate::support::{Answer, Options, STORAGES, TestApp};

fn secret_of(rotated: &Answer) -> String {
    assert_eq!(rotated.status, StatusCode::OK, "{rotated:?}");
    rotated.data()["secret"].as_str().unwrap().to_owned()
}

async fn rotate(app: &TestApp, id: &str) -> Answer {
    app.api.post(&format!("/{id}/rotate-secret")).await
}

/// Pings the endpoint and returns the request that arrived.
async fn ping(app: &TestApp, id: &str, receiver: &Receiver) -> Received {
    let ping = app.api.ping(id).await;
    assert_eq!(ping["success"], true, "{ping:?}");
    let received = receiver.received().into_iter();
    let mut those = received.filter(|request| request.header("webhook-id") == ping["deliveryId"]);
    those.next().unwrap()
}

#[tokio::test]
async fn only_the_new_secret_signs_after_a_rotation() {
    for storage in STORAGES {
        let app = TestApp::start_with(Options::default().with_storage(storage)).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, mut secret) = app.api.create_webhook(&receiver.url).await;
        for _ in 0..3 {
            // From here on the delivery function has the secret cached.
            assert!(ping(&app, &id, &receiver).await.is_signed_with(&secret));
            let old = secret;
            secret = secret_of(&rotate(&app, &id).await);
            assert_ne!(secret, old);
            for _ in 0..3 {
                let request = ping(&app, &id, &receiver).await;
                assert!(request.is_signed_with(&secret));
                assert!(!request.is_signed_with(&old));
            }
        }
    }
}

#[tokio::test]
async fn queued_pings_are_signed_with_the_secret_at_the_attempt() {
    let app = TestApp::start_with(Options {
        polling: false,
        ..Options::default()
    })
    .await;
    let receiver = Receiver::answering(200, "").await;
    let (id, old) = app.api.create_webhook(&receiver.url).await;
    enqueue(&app, &id).await;
    attempt_next(&app).await;
    assert!(receiver.must_receive_one().is_signed_with(&old));

    enqueue(&app, &id).await;
    let new = secret_of(&rotate(&app, &id).await);
    attempt_next(&app).await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert!(received[1].is_signed_with(&new));
    assert!(!received[1].is_signed_with(&old));
}

async fn enqueue(app: &TestApp, id: &str) {
    let ping = app.api.ping_preferring(id, "respond-async").await;
    assert_eq!(ping.status, StatusCode::ACCEPTED);
}

/// Makes the delivery function handle one queued message.
async fn attempt_next(app: &TestApp) {
    let queued = app.queue.queued().await;
    assert_eq!(queued.len(), 1, "{queued:?}");
    assert_eq!(app.queue.handle(queued).await, Ok(Vec::new()));
}

#[tokio::test]
async fn attempts_are_dated_before_they_read_the_secret() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    let begun = clock.now();
    // Each call takes two seconds, during which a rotation may return.
    let late = clock.clone();
    app.aws.wire.disturb(move |_| {
        late.advance_millis(2000);
        None
    });
    app.queue.must_attempt(&task).await;
    let delivery = app.api.delivery(&id, task.delivery_id).await;
    assert_eq!(delivery["attemptLog"][0]["startedAt"], iso_millis(begun));
    let signed: i64 = receiver
        .must_receive_one()
        .header("webhook-timestamp")
        .parse()
        .unwrap();
    assert_eq!(signed, begun.as_second());
}

#[tokio::test]
async fn only_a_winning_secret_signs_after_concurrent_rotations() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, first) = app.api.create_webhook(&receiver.url).await;
    let mut answered = vec![first];
    let mut conflicts = 0;
    // Rotations that do not overlap all succeed, one after the other.
    for _ in 0..20 {
        let rotations = join_all((0..5).map(|_| rotate(&app, &id))).await;
        let (won, lost): (Vec<_>, Vec<_>) = rotations
            .iter()
            .partition(|answer| answer.status == StatusCode::OK);
        for answer in &lost {
            answer.must_fail_with(409, "CONFLICT");
        }
        conflicts += lost.len();
        let new: Vec<_> = won.into_iter().map(secret_of).collect();
        assert!(!new.is_empty(), "no rotation won: {rotations:?}");

        let request = ping(&app, &id, &receiver).await;
        let signing = new.iter().filter(|secret| request.is_signed_with(secret));
        assert_eq!(signing.count(), 1);
        assert!(answered.iter().all(|old| !request.is_signed_with(old)));
        answered.extend(new);
        if conflicts > 0 {
            return;
        }
    }
    panic!("no two rotations overlapped");
}

#[tokio::test]
async fn missing_endpoints_have_no_secret_to_rotate() {
    for storage in STORAGES {
        let app = TestApp::start_with(Options::default().with_storage(storage)).await;
        let (id, _) = app.api.create_webhook("https://example.com/hook").await;
        app.api.delete(&format!("/{id}")).await;
        for missing in [id, EndpointId::new().to_string()] {
            rotate(&app, &missing)
                .await
                .must_fail_with(404, "NOT_FOUND");
        }
        assert!(app.aws.secret_names().await.is_empty());
    }
}

#[tokio::test]
async fn rotation_keeps_the_secrets_of_other_endpoints() {
    for storage in STORAGES {
        let app = TestApp::start_with(Options::default().with_storage(storage)).await;
        let receiver = Receiver::answering(200, "").await;
        let (rotated, _) = app.api.create_webhook(&receiver.url).await;
        let (other, secret) = app.api.create_webhook(&receiver.url).await;
        secret_of(&rotate(&app, &rotated).await);
        assert!(ping(&app, &other, &receiver).await.is_signed_with(&secret));
    }
}

#[tokio::test]
async fn rotation_recreates_a_secret_removed_by_hand() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    for recovery_days in [None, Some(7)] {
        let (id, old) = app.api.create_webhook(&receiver.url).await;
        let (other, _) = app.api.create_webhook(&receiver.url).await;
        app.aws.remove_secret(&id, recovery_days).await;
        let task = ping_of(&app, &id);
        let ping = message(Some("ping"), attempt_message(&task));
        let back = app.queue.handle([ping.clone()]).await;
        assert_eq!(back, Ok(vec!["ping".to_owned()]));

        let new = secret_of(&rotate(&app, &id).await);
        assert_eq!(app.queue.handle([ping]).await, Ok(Vec::new()));
        let arrived = receiver.received().pop().unwrap();
        assert!(arrived.is_signed_with(&new) && !arrived.is_signed_with(&old));
        let names = app.aws.secret_names().await;
        assert_eq!(names, app.aws.secret_names_of(&[&id, &other]));
        for id in [id, other] {
            app.api.delete(&format!("/{id}")).await;
        }
        assert!(app.aws.secret_names().await.is_empty());
    }
}

#[tokio::test]
async fn rotation_asks_to_retry_while_the_secret_is_being_removed() {
    const BUSY: Fault = Fault::Refused(r#"{"__type": "InvalidRequestException"}"#);
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws.remove_secret(&id, None).await;
    app.aws.wire.break_calls(&["CreateSecret"], BUSY);
    let refused = rotate(&app, &id).await;
    refused.must_fail_with(503, "UNAVAILABLE");
    assert_eq!(refused.headers["retry-after"], "1");
    app.aws.wire.mend();
    secret_of(&rotate(&app, &id).await);
}

#[tokio::test]
async fn rotation_of_an_endpoint_being_deleted_leaves_no_secret() {
    const MISSING: Fault = Fault::Refused(r#"{"__type": "ConditionalCheckFailedException"}"#);
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    // The first `UpdateItem` reserves the rotation. The second one, after the new secret is
    // stored, finds the endpoint deleted.
    app.aws.wire.break_from("UpdateItem", 2, MISSING);
    rotate(&app, &id).await.must_fail_with(404, "NOT_FOUND");
    assert_eq!(app.aws.secret_names().await, Vec::<String>::new());
}
