//! Pauses that end while the endpoint changes in another way. Each test plays several rounds
//! concurrently on several threads, each with its own endpoint and random times.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use webhook_endpoints::aws::table::FullDelivery;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::delivery::DeliveryStatus;
use webhook_endpoints::domain::endpoint::EndpointKey;
use webhook_endpoints::domain::health::{Failing, Health, Pause};
use webhook_endpoints::domain::id::EventId;
use webhook_endpoints::domain::message::{DeliveryTask, Lane, Message, Tend};

use crate::support::queue::endpoint_id;
use crate::support::receiver::{Received, Receiver};
use crate::support::sealing::rotate;
use crate::support::{Options, TestApp, eventually};

const ROUNDS: usize = 8;

/// How many deliveries wait in each round. The drain takes them in three steps.
const WAITING: u32 = 7;

/// Receivers take up to this long to answer, so changes meet attempts in progress.
const LAG: Duration = Duration::from_millis(300);

const SOON: Duration = Duration::from_millis(200);

async fn start() -> TestApp {
    let mut options = Options::default();
    options.settings.policy.schedule = "86400".parse().unwrap();
    options.settings.policy.health.first_probe = SOON;
    options.settings.stragglers = Duration::from_secs(8);
    options.settings.chunks.waiting = 3;
    TestApp::start_with(options).await
}

/// An endpoint with deliveries that wait for it.
struct Round<'a> {
    app: &'a TestApp,
    key: EndpointKey,
    id: String,
    secret: String,
    receiver: Receiver,
    /// How the receiver answers events. Test pings and requests to another path succeed.
    status: Arc<AtomicU16>,
    /// The requests that were answered with success.
    accepted: Arc<Mutex<Vec<Received>>>,
    waiting: Vec<DeliveryTask>,
}

impl<'a> Round<'a> {
    async fn start(app: &'a TestApp) -> Self {
        let status = Arc::new(AtomicU16::new(500));
        let accepted = Arc::<Mutex<Vec<Received>>>::default();
        let (answer, successes) = (Arc::clone(&status), Arc::clone(&accepted));
        let receiver = Receiver::lagging(LAG, move |request| {
            let is_ping = String::from_utf8_lossy(&request.body).contains("test.ping");
            let succeeds = is_ping || request.uri.path() != "/hook";
            let status = match succeeds {
                true => StatusCode::OK,
                false => StatusCode::from_u16(answer.load(Ordering::SeqCst)).unwrap(),
            };
            if status == StatusCode::OK {
                successes.lock().unwrap().push(request.clone());
            }
            status.into_response()
        });
        let receiver = receiver.await;
        let (id, secret) = app.api.create_webhook(&receiver.url).await;
        let now = Clock::system().now();
        let seeding = app.aws.seed_waiting(endpoint_id(&id), WAITING, now, SOON);
        let waiting = seeding.await;
        Self {
            app,
            key: waiting[0].endpoint,
            id,
            secret,
            receiver,
            status,
            accepted,
            waiting,
        }
    }

    /// Pauses the endpoint as a failure does. The first probe is due after this time.
    async fn pause(&self, probe_after: Duration) {
        let (table, now) = (self.app.aws.table(), Clock::system().now());
        let endpoint = table.endpoint(self.key).await.unwrap().unwrap();
        let at = now + probe_after;
        let paused = Health {
            failing: Some(Failing {
                since: now,
                last: now,
                failures: 1,
            }),
            pause: Some(Pause {
                since: now,
                probe_at: Some(at),
                probes: 0,
            }),
            ..endpoint.health
        };
        assert!(table.set_health(&endpoint, &paused, now).await.unwrap());
        let tend = Tend {
            due_at: Some(at),
            ..Tend::now(self.key)
        };
        self.enqueue_tend(tend).await;
    }

    async fn enqueue_tend(&self, tend: Tend) {
        let tend = Message::Tend(tend).to_json().unwrap();
        self.app.queue.enqueue_in(Lane::Slow, &tend).await;
    }

    async fn endpoint(&self) -> Value {
        let endpoint = self.app.api.get(&format!("/{}", self.id)).await;
        endpoint.data().clone()
    }

    async fn has_waiting(&self) -> bool {
        let table = self.app.aws.table();
        let found = table.waiting(self.key, None, 1, Clock::system().now());
        !found.await.unwrap().deliveries.is_empty()
    }

    async fn put(&self, change: Value) {
        let path = format!("/{}", self.id);
        self.app.api.put_json(&path, &change).await.data();
    }

    /// Makes the receiver answer with this status, after a random time.
    async fn begin_to_answer(&self, status: u16) {
        wait_a_random_time().await;
        self.status.store(status, Ordering::SeqCst);
    }

    /// The same, and then sends a ping, which succeeds while earlier probes may still be in
    /// progress. If a ping ended the pause before that, the drain would send deliveries that
    /// the receiver still refuses, and they would be retried a day later.
    async fn begin_to_answer_and_ping(&self, status: u16) {
        self.begin_to_answer(status).await;
        tokio::time::sleep(LAG.mul_f64(rand::random_range(0.0..1.0))).await;
        let ping = self.app.api.ping_preferring(&self.id, "respond-async");
        ping.await;
    }

    /// Waits until the endpoint is off the schedule. Returns the deliveries that waited.
    async fn ended(&self) -> Vec<FullDelivery> {
        let table = self.app.aws.table();
        eventually("the end of a pause", async || {
            let found = table.endpoint(self.key).await.unwrap();
            let is_over = found.is_none_or(|endpoint| endpoint.place.is_none());
            if !is_over || self.has_waiting().await {
                return None;
            }
            let mut ended = Vec::new();
            for task in &self.waiting {
                let found = table.delivery(self.key, task.delivery_id).await;
                let found = found.unwrap().unwrap();
                if found.delivery.status == DeliveryStatus::Pending {
                    return None;
                }
                ended.push(found);
            }
            Some(ended)
        })
        .await
    }

    /// Asserts that all were delivered. Each was accepted once, except the one that a probe
    /// was sending when the pause ended for another reason: the drain sends it as well.
    async fn must_be_delivered(&self, probes: RangeInclusive<usize>) {
        for found in self.ended().await {
            assert_eq!(found.delivery.status, DeliveryStatus::Delivered);
            assert_eq!(found.attempts.len(), 1);
        }
        let accepted = self.accepted().into_iter();
        let events: Vec<_> = accepted.map(|(event, _)| event).collect();
        let more = events.len() - self.waiting.len();
        for task in &self.waiting {
            assert!(events.contains(&task.source.event_id()));
        }
        assert!(probes.contains(&more), "{more} were accepted twice");
        let endpoint = self.endpoint().await;
        assert_eq!(endpoint["active"], true);
        for cleared in ["failingSince", "pausedAt", "nextProbeAt"] {
            assert_eq!(endpoint[cleared], Value::Null, "{cleared}");
        }
    }

    /// The accepted events without test pings, each with the request that brought it.
    fn accepted(&self) -> Vec<(EventId, Received)> {
        let accepted = self.accepted.lock().unwrap().clone().into_iter();
        let accepted = accepted.map(|request| {
            let event = EventId::parse(request.header("webhook-id"));
            (event.expect("parse the event id"), request)
        });
        let is_event = |event| {
            let mut waiting = self.waiting.iter();
            waiting.any(|task| task.source.event_id() == event)
        };
        accepted.filter(|(event, _)| is_event(*event)).collect()
    }

    /// Asserts that none of the attempts began after this time.
    fn must_not_be_sent_after(&self, time: Timestamp, ended: &[FullDelivery]) {
        for attempt in ended.iter().flat_map(|found| &found.attempts) {
            assert!(attempt.started_at <= time);
        }
        // Failed probes are not recorded.
        for request in self.receiver.received() {
            assert!(began_at(&request) <= time.as_second());
        }
    }

    /// Asserts that every delivery was delivered or ended for this reason.
    fn must_have_ended(&self, ended: &[FullDelivery], reason: &str) {
        for found in ended {
            let delivery = &found.delivery;
            let is_delivered = delivery.status == DeliveryStatus::Delivered;
            let code = delivery.abandoned.map(|reason| reason.code());
            assert!(is_delivered != (code == Some(reason)), "{delivery:?}");
        }
    }
}

/// When the attempt of a request began, in seconds since the epoch.
fn began_at(request: &Received) -> i64 {
    request.header("webhook-timestamp").parse().unwrap()
}

async fn wait_a_random_time() {
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..1_500))).await;
}

/// Plays all rounds concurrently.
async fn rounds(probe_after: Duration, play: impl AsyncFn(&Round<'_>)) {
    let app = start().await;
    let rounds = join_all((0..ROUNDS).map(|_| Round::start(&app))).await;
    let (rounds, play) = (&rounds, &play);
    join_all(rounds.iter().map(|round| async move {
        round.pause(probe_after).await;
        play(round).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn probes_race_other_successes() {
    rounds(SOON, async |round| {
        round.begin_to_answer_and_ping(200).await;
        round.must_be_delivered(0..=1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn successful_test_pings_end_a_pause_despite_failing_probes() {
    rounds(SOON, async |round| {
        wait_a_random_time().await;
        // All probes fail.
        let ping = round.app.api.ping_preferring(&round.id, "wait=20");
        assert_eq!(ping.await.data()["success"], true);
        eventually("the end of the pause", async || {
            (round.endpoint().await["pausedAt"] == Value::Null).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn probes_race_disabling() {
    rounds(SOON, async |round| {
        round.begin_to_answer_and_ping(410).await;
        for found in round.ended().await {
            let delivery = &found.delivery;
            assert_eq!(delivery.status, DeliveryStatus::Failed);
            let code = delivery.abandoned.map(|reason| reason.code());
            let last = found.attempts.last();
            let is_gone = last.and_then(|last| last.verdict.response_status()) == Some(410);
            assert!(is_gone != (code == Some("ENDPOINT_INACTIVE")), "{found:?}");
        }
        let endpoint = round.endpoint().await;
        assert_eq!(endpoint["active"], false);
        assert_eq!(endpoint["disabledReason"], "GONE");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn probes_race_deletions() {
    rounds(SOON, async |round| {
        let other = async {
            wait_a_random_time().await;
            let deleted = round.app.api.delete(&format!("/{}", round.id)).await;
            assert_eq!(deleted.status, StatusCode::NO_CONTENT);
            Clock::system().now()
        };
        let ((), deleted_at) = tokio::join!(round.begin_to_answer(200), other);
        let ended = round.ended().await;
        round.must_have_ended(&ended, "ENDPOINT_DELETED");
        round.must_not_be_sent_after(deleted_at, &ended);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn probes_race_deactivations() {
    rounds(SOON, async |round| {
        let other = async {
            wait_a_random_time().await;
            round.put(json!({"active": false})).await;
            Clock::system().now()
        };
        let ((), inactive_at) = tokio::join!(round.begin_to_answer(200), other);
        let ended = round.ended().await;
        round.must_have_ended(&ended, "ENDPOINT_INACTIVE");
        round.must_not_be_sent_after(inactive_at, &ended);
        assert_eq!(round.endpoint().await["active"], false);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn probes_race_rotations() {
    rounds(SOON, async |round| {
        let other = async {
            wait_a_random_time().await;
            let secret = rotate(&round.app.api, &round.id).await;
            (secret, Clock::system().now())
        };
        let ((), (secret, rotated_at)) = tokio::join!(round.begin_to_answer(200), other);
        round.must_be_delivered(0..=0).await;
        for request in round.receiver.received() {
            let is_old = request.was_signed_with(&round.secret);
            assert!(is_old != request.was_signed_with(&secret));
            assert!(!is_old || began_at(&request) <= rotated_at.as_second());
        }
        let ended = round.ended().await;
        for (event, request) in round.accepted() {
            let found = ended.iter().find(|found| found.delivery.event_id == event);
            let began = found.unwrap().attempts[0].started_at;
            if began > rotated_at {
                assert!(request.was_signed_with(&secret), "{event}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn probes_race_url_changes() {
    rounds(SOON, async |round| {
        let other = async {
            wait_a_random_time().await;
            let url = format!("{}/new", round.receiver.url);
            round.put(json!({"url": url})).await;
            Clock::system().now()
        };
        let ((), changed_at) = tokio::join!(round.begin_to_answer(200), other);
        round.must_be_delivered(0..=1).await;
        for request in round.receiver.received() {
            if request.uri.path() == "/hook" {
                assert!(began_at(&request) <= changed_at.as_second());
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_drains_of_one_endpoint_send_nothing_twice() {
    // The first probe is due in an hour, so that no other success ends the pause.
    rounds(18_000 * SOON, async |round| {
        round.status.store(200, Ordering::SeqCst);
        let changing = join_all((0..4).map(|_| async {
            wait_a_random_time().await;
            round.put(json!({"active": true})).await;
        }));
        let tending = join_all((0..4).map(|_| async {
            wait_a_random_time().await;
            round.enqueue_tend(Tend::now(round.key)).await;
        }));
        tokio::join!(changing, tending);
        round.must_be_delivered(0..=0).await;
    })
    .await;
}
