//! The end of a pause, while something else happens to the endpoint: on several threads,
//! in many rounds at once, each with its own endpoint and at random times.

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
use crate::support::{Options, TestApp, eventually};

const ROUNDS: usize = 8;

/// Deliveries that wait in each round: more than two steps of the drain take.
const WAITING: u32 = 7;

/// Receivers take up to this long: much is under way when something happens.
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
    /// What the receiver answers events with. Test pings succeed, and so does all that
    /// comes to another path.
    status: Arc<AtomicU16>,
    /// What was answered with success.
    taken: Arc<Mutex<Vec<Received>>>,
    waiting: Vec<DeliveryTask>,
}

impl<'a> Round<'a> {
    async fn start(app: &'a TestApp) -> Self {
        let status = Arc::new(AtomicU16::new(500));
        let taken = Arc::<Mutex<Vec<Received>>>::default();
        let (answer, successes) = (Arc::clone(&status), Arc::clone(&taken));
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
            taken,
            waiting,
        }
    }

    /// Pauses the endpoint, as a failure does. The first probe is due after this wait.
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
        self.see_to(tend).await;
    }

    async fn see_to(&self, tend: Tend) {
        let tend = Message::Tend(tend).to_json().unwrap();
        self.app.queue.enqueue_in(Lane::Slow, &tend).await;
    }

    async fn endpoint(&self) -> Value {
        let endpoint = self.app.api.get(&format!("/{}", self.id)).await;
        endpoint.data().clone()
    }

    async fn something_waits(&self) -> bool {
        let table = self.app.aws.table();
        let found = table.waiting(self.key, None, 1, Clock::system().now());
        !found.await.unwrap().deliveries.is_empty()
    }

    async fn put(&self, change: Value) {
        let path = format!("/{}", self.id);
        self.app.api.put_json(&path, &change).await.data();
    }

    /// Lets the receiver answer so, at some time.
    async fn answers(&self, status: u16) {
        some_time().await;
        self.status.store(status, Ordering::SeqCst);
    }

    /// The same, and sends a ping that succeeds while probes are under way that were
    /// answered before. A ping that ended the pause earlier would start the drain of
    /// deliveries that the receiver still refuses: they would be retried a day later.
    async fn answers_and_is_pinged(&self, status: u16) {
        self.answers(status).await;
        tokio::time::sleep(LAG.mul_f64(rand::random_range(0.0..1.0))).await;
        let ping = self.app.api.ping_preferring(&self.id, "respond-async");
        ping.await;
    }

    /// Waits until nothing is left to be seen to. Returns the deliveries that waited.
    async fn ended(&self) -> Vec<FullDelivery> {
        let table = self.app.aws.table();
        eventually("the end of a pause", async || {
            let found = table.endpoint(self.key).await.unwrap();
            let is_over = found.is_none_or(|endpoint| endpoint.place.is_none());
            if !is_over || self.something_waits().await {
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

    /// Asserts that all were delivered. Each was taken once, but for the one that a probe
    /// was sending when the pause ended otherwise: the drain sends it as well.
    async fn must_be_delivered(&self, probes: RangeInclusive<usize>) {
        for found in self.ended().await {
            assert_eq!(found.delivery.status, DeliveryStatus::Delivered);
            assert_eq!(found.attempts.len(), 1);
        }
        let taken: Vec<_> = self.taken().into_iter().map(|(event, _)| event).collect();
        let more = taken.len() - self.waiting.len();
        for task in &self.waiting {
            assert!(taken.contains(&task.source.event_id()));
        }
        assert!(probes.contains(&more), "{more} were taken twice");
        let endpoint = self.endpoint().await;
        assert_eq!(endpoint["active"], true);
        for cleared in ["failingSince", "pausedAt", "nextProbeAt"] {
            assert_eq!(endpoint[cleared], Value::Null, "{cleared}");
        }
    }

    /// The events that were taken, each with the request that brought it.
    fn taken(&self) -> Vec<(EventId, Received)> {
        let taken = self.taken.lock().unwrap().clone().into_iter();
        let taken = taken.map(|request| {
            let event = EventId::parse(request.header("webhook-id"));
            (event.expect("parse the event id"), request)
        });
        // Test pings are of no interest.
        let is_event = |event| {
            self.waiting
                .iter()
                .any(|task| task.source.event_id() == event)
        };
        taken.filter(|(event, _)| is_event(*event)).collect()
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

/// When the attempt of a request began, to the second.
fn began_at(request: &Received) -> i64 {
    request.header("webhook-timestamp").parse().unwrap()
}

async fn some_time() {
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..1_500))).await;
}

/// Plays all rounds at once.
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
        round.answers_and_is_pinged(200).await;
        round.must_be_delivered(0..=1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn test_pings_that_succeed_end_a_pause_whatever_probes_do() {
    rounds(SOON, async |round| {
        some_time().await;
        // Probes fail all the time.
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
async fn probes_race_a_disabling() {
    rounds(SOON, async |round| {
        round.answers_and_is_pinged(410).await;
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
async fn probes_race_a_deletion() {
    rounds(SOON, async |round| {
        let other = async {
            some_time().await;
            let deleted = round.app.api.delete(&format!("/{}", round.id)).await;
            assert_eq!(deleted.status, StatusCode::NO_CONTENT);
            Clock::system().now()
        };
        let ((), deleted_at) = tokio::join!(round.answers(200), other);
        let ended = round.ended().await;
        round.must_have_ended(&ended, "ENDPOINT_DELETED");
        round.must_not_be_sent_after(deleted_at, &ended);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn probes_race_a_deactivation() {
    rounds(SOON, async |round| {
        let other = async {
            some_time().await;
            round.put(json!({"active": false})).await;
            Clock::system().now()
        };
        let ((), inactive_at) = tokio::join!(round.answers(200), other);
        let ended = round.ended().await;
        round.must_have_ended(&ended, "ENDPOINT_INACTIVE");
        round.must_not_be_sent_after(inactive_at, &ended);
        assert_eq!(round.endpoint().await["active"], false);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn probes_race_a_rotation() {
    rounds(SOON, async |round| {
        let other = async {
            some_time().await;
            let path = format!("/{}/rotate-secret", round.id);
            let rotated = round.app.api.post(&path).await;
            let secret = rotated.data()["secret"].as_str().unwrap().to_owned();
            (secret, Clock::system().now())
        };
        let ((), (secret, rotated_at)) = tokio::join!(round.answers(200), other);
        round.must_be_delivered(0..=0).await;
        for request in round.receiver.received() {
            let is_old = request.was_signed_with(&round.secret);
            assert!(is_old != request.was_signed_with(&secret));
            assert!(!is_old || began_at(&request) <= rotated_at.as_second());
        }
        let ended = round.ended().await;
        for (event, request) in round.taken() {
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
async fn probes_race_a_change_of_the_url() {
    rounds(SOON, async |round| {
        let other = async {
            some_time().await;
            round
                .put(json!({"url": format!("{}/new", round.receiver.url)}))
                .await;
            Clock::system().now()
        };
        let ((), changed_at) = tokio::join!(round.answers(200), other);
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
async fn drains_of_one_endpoint_at_once_send_nothing_twice() {
    // No probe, so that nothing else ends the pause.
    rounds(18_000 * SOON, async |round| {
        round.status.store(200, Ordering::SeqCst);
        let changing = join_all((0..4).map(|_| async {
            some_time().await;
            round.put(json!({"active": true})).await;
        }));
        let tending = join_all((0..4).map(|_| async {
            some_time().await;
            round.see_to(Tend::now(round.key)).await;
        }));
        tokio::join!(changing, tending);
        round.must_be_delivered(0..=0).await;
    })
    .await;
}
