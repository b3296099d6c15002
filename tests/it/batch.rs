//! Batches of queue messages, as the delivery function receives them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::Barrier;
use webhook_endpoints::aws::table::Recorded;
use webhook_endpoints::delivery::batch::NamelessMessage;
use webhook_endpoints::delivery::egress::{Resolve, Resolving};
use webhook_endpoints::domain::delivery::{Abandoned, DeliveryStatus};
use webhook_endpoints::domain::id::DeliveryId;
use webhook_endpoints::domain::message::Message;

use crate::support::names::{LOOPBACK, Names};
use crate::support::queue::{attempt_message, endpoint_id, message, ping_of};
use crate::support::receiver::{Receiver, raw_receiver};
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const NOTHING: Vec<String> = Vec::new();

#[tokio::test]
async fn batches_deliver_all_messages_and_return_none() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (first, _) = app.api.create_webhook(&receiver.url).await;
    let (second, _) = app.api.create_webhook(&receiver.url).await;
    let pings: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|id| (0..5).map(|_| ping_of(&app, id)))
        .collect();
    let batch = pings.iter().enumerate().map(|(index, ping)| {
        let id = index.to_string();
        message(Some(&id), attempt_message(ping))
    });
    assert_eq!(app.queue.handle(batch).await, Ok(NOTHING));

    let mut arrived: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| request.header("webhook-id").to_owned())
        .collect();
    arrived.sort_unstable();
    let mut sent: Vec<_> = pings.iter().map(|p| p.delivery_id.to_string()).collect();
    sent.sort_unstable();
    assert_eq!(arrived, sent);
    for id in [first, second] {
        let history = app.api.deliveries(&id).await;
        assert_eq!(history.len(), 5);
        assert!(history.iter().all(|item| item["status"] == "DELIVERED"));
    }
}

#[tokio::test]
async fn empty_batches_succeed() {
    let app = TestApp::start_with(Options::idle()).await;
    assert_eq!(app.queue.handle([]).await, Ok(NOTHING));
}

#[tokio::test]
async fn only_failed_messages_are_returned() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (warm, _) = app.api.create_webhook(&receiver.url).await;
    let (cold, _) = app.api.create_webhook(&receiver.url).await;
    app.queue.must_attempt(&ping_of(&app, &warm)).await;

    // One of the two secrets is cached.
    app.aws.wire.break_calls(&["GetSecretValue"], Fault::Before);
    let (delivered, failed) = (ping_of(&app, &warm), ping_of(&app, &cold));
    let back = app
        .queue
        .handle([
            message(Some("delivered"), attempt_message(&delivered)),
            message(Some("failed"), attempt_message(&failed)),
        ])
        .await;
    assert_eq!(back, Ok(vec!["failed".to_owned()]));
    let newest = app.api.deliveries(&warm).await.remove(0);
    assert_eq!(newest["id"], json!(delivered.delivery_id));
    assert_eq!(newest["status"], "DELIVERED");
    assert_eq!(app.api.deliveries(&cold).await, Vec::<Value>::new());

    app.aws.wire.mend();
    app.queue.must_attempt(&failed).await;
    let newest = app.api.deliveries(&cold).await.remove(0);
    assert_eq!(newest["status"], "DELIVERED");
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn failed_messages_without_an_id_fail_the_batch() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let nameless = message(None, attempt_message(&ping_of(&app, &id)));
    assert_eq!(app.queue.handle([nameless]).await, Ok(NOTHING));
    receiver.must_receive_one();

    let pings = [ping_of(&app, &id), ping_of(&app, &id)].map(|ping| attempt_message(&ping));
    let [one, other] = pings;
    let batch = [message(Some("named"), one), message(None, other)];
    app.aws.wire.break_calls(&["BatchGetItem"], Fault::Before);
    assert_eq!(app.queue.handle(batch).await, Err(NamelessMessage));
}

const NAME: &str = "receiver.example.com";

/// A resolver that panics on its first query.
struct FirstPanics(AtomicBool, Arc<Names>);

impl Resolve for FirstPanics {
    fn resolve(&self, host: String) -> Resolving {
        assert!(
            !self.0.swap(false, Ordering::SeqCst),
            "the resolver panics once"
        );
        self.1.resolve(host)
    }
}

#[tokio::test]
async fn a_panic_fails_only_its_own_message() {
    let resolver = FirstPanics(AtomicBool::new(true), Names::always(&[LOOPBACK]));
    let app = TestApp::start_with(Options {
        polling: false,
        ..Options::resolving(Arc::new(resolver))
    })
    .await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url_as(NAME)).await;
    let pings = [ping_of(&app, &id), ping_of(&app, &id)];
    let names = pings.clone().map(|ping| ping.delivery_id.to_string());
    let batch =
        [0, 1].map(|index: usize| message(Some(&names[index]), attempt_message(&pings[index])));
    let back = app.queue.handle(batch).await.unwrap();

    // Either may panic: the one that resolves its name first.
    assert_eq!(back.len(), 1);
    let delivered = receiver.must_receive_one().header("webhook-id").to_owned();
    assert_ne!(back[0], delivered);
    assert!(names.contains(&back[0]) && names.contains(&delivered));
}

#[tokio::test]
async fn repeated_messages_are_not_sent_again() {
    let app = TestApp::start_with(Options::idle()).await;
    for status in [200, 500] {
        let receiver = Receiver::answering(status, "").await;
        let (id, _) = app.api.create_webhook(&receiver.url).await;
        let ping = ping_of(&app, &id);
        app.queue.must_attempt(&ping).await;
        let history = app.api.deliveries(&id).await;
        app.queue.must_attempt(&ping).await;
        assert_eq!(app.api.deliveries(&id).await, history);
        assert_eq!(history[0]["attempts"], 1);
        receiver.must_receive_one();
    }
}

#[tokio::test]
async fn messages_handled_twice_concurrently_are_recorded_once() {
    let app = TestApp::start_with(Options::idle()).await;
    // The receiver responds only when both requests have arrived.
    let both = Arc::new(Barrier::new(2));
    let url = raw_receiver(move |mut stream| {
        let both = Arc::clone(&both);
        async move {
            both.wait().await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            let _ = stream.write_all(answer).await;
        }
    })
    .await;
    let (id, _) = app.api.create_webhook(&url).await;
    let ping = ping_of(&app, &id);
    let attempt = || app.queue.must_attempt(&ping);
    tokio::join!(attempt(), attempt());

    let recorded = app
        .aws
        .table()
        .delivery(ping.endpoint, ping.delivery_id)
        .await;
    let recorded = recorded.unwrap().unwrap();
    assert_eq!(recorded.delivery.status, DeliveryStatus::Delivered);
    assert_eq!(recorded.delivery.attempts, 1);
    assert_eq!(recorded.attempts.len(), 1);
    assert_eq!(app.api.deliveries(&id).await.len(), 1);
}

#[tokio::test]
async fn unrecorded_attempts_are_repeated_with_the_same_webhook_id() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    let ping = ping_of(&app, &id);
    app.aws.wire.break_calls(&["UpdateItem"], Fault::Before);
    let back = app
        .queue
        .handle([message(Some("m"), attempt_message(&ping))])
        .await;
    assert_eq!(back, Ok(vec!["m".to_owned()]));

    app.aws.wire.mend();
    app.queue.must_attempt(&ping).await;
    let arrived = receiver.received();
    assert_eq!(arrived.len(), 2);
    for request in arrived {
        assert_eq!(request.header("webhook-id"), ping.delivery_id.to_string());
        assert!(request.is_signed_with(&secret));
    }
    let history = app.api.deliveries(&id).await;
    assert_eq!(history.len(), 1);
    assert_eq!(history[0]["status"], "DELIVERED");
    assert_eq!(history[0]["attempts"], 1);
}

#[tokio::test]
async fn attempts_recorded_with_a_lost_response_are_not_repeated() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let ping = ping_of(&app, &id);
    // Every response is lost, including those to the SDK's retries.
    app.aws.wire.break_calls(&["UpdateItem"], Fault::After);
    let back = app
        .queue
        .handle([message(Some("m"), attempt_message(&ping))])
        .await;
    assert_eq!(back, Ok(vec!["m".to_owned()]));

    app.aws.wire.mend();
    app.queue.must_attempt(&ping).await;
    receiver.must_receive_one();
    assert_eq!(app.api.deliveries(&id).await[0]["status"], "DELIVERED");
}

#[tokio::test]
async fn outcomes_recorded_before_the_pending_delivery_are_kept() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let ping = ping_of(&app, &id);
    app.queue.must_attempt(&ping).await;
    let history = app.api.deliveries(&id).await;
    assert_eq!(history[0]["status"], "DELIVERED");

    let recorded = app.aws.table().record_accepted(&ping).await;
    assert_eq!(recorded.unwrap(), Recorded::Stale);
    assert_eq!(app.api.deliveries(&id).await, history);
}

#[tokio::test]
async fn queued_pings_fail_if_the_endpoint_was_deleted() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let ping = app.api.ping_preferring(&id, "respond-async").await;
    let deleted = app.api.delete(&format!("/{id}")).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let queued = app.queue.queued().await;
    assert_eq!(queued.len(), 1);
    assert_eq!(app.queue.handle(queued).await, Ok(NOTHING));

    assert_eq!(receiver.received().len(), 0);
    // Through the API, the history is gone with the endpoint.
    let history = app.api.get(&format!("/{id}/deliveries")).await;
    history.must_fail_with(404, "NOT_FOUND");
    let delivery_id = ping.data()["deliveryId"].as_str().unwrap();
    let recorded = app
        .aws
        .table()
        .delivery(
            app.aws.endpoint_key(endpoint_id(&id)),
            DeliveryId::parse(delivery_id).unwrap(),
        )
        .await;
    let recorded = recorded.unwrap().unwrap();
    assert_eq!(recorded.delivery.status, DeliveryStatus::Failed);
    assert_eq!(
        recorded.delivery.abandoned,
        Some(Abandoned::EndpointDeleted)
    );
    assert_eq!(recorded.delivery.attempts, 0);
    assert_eq!(recorded.attempts, []);
}

#[tokio::test]
async fn queued_pings_go_to_the_current_url() {
    let app = TestApp::start_with(Options::idle()).await;
    let [old, new] = [
        Receiver::answering(200, "").await,
        Receiver::answering(200, "").await,
    ];
    let (id, _) = app.api.create_webhook(&old.url).await;
    app.api.ping_preferring(&id, "respond-async").await;
    app.api
        .put_json(&format!("/{id}"), &json!({"url": new.url}))
        .await;
    assert_eq!(
        app.queue.handle(app.queue.queued().await).await,
        Ok(NOTHING)
    );
    assert_eq!(old.received().len(), 0);
    new.must_receive_one();
}

#[tokio::test]
async fn failed_batch_reads_return_all_attempts() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let pings = [ping_of(&app, &id), ping_of(&app, &id)];
    let sweep = Message::Sweep.to_json().unwrap();
    let batch = || {
        [
            message(Some("one"), attempt_message(&pings[0])),
            message(Some("sweep"), &sweep),
            message(Some("two"), attempt_message(&pings[1])),
        ]
    };
    app.aws.wire.break_calls(&["BatchGetItem"], Fault::Before);
    let back = app.queue.handle(batch()).await;
    assert_eq!(back, Ok(vec!["one".to_owned(), "two".to_owned()]));
    assert_eq!(receiver.received().len(), 0);

    app.aws.wire.mend();
    assert_eq!(app.queue.handle(batch()).await, Ok(NOTHING));
    assert_eq!(receiver.received().len(), 2);
}
