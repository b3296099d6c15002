//! Writes deliveries that exist before a measurement begins.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use webhook_endpoints::aws::table::Table;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::audience::Audience;
use webhook_endpoints::domain::decision::{AfterAttempt, Next};
use webhook_endpoints::domain::delivery::{Attempt, Verdict};
use webhook_endpoints::domain::endpoint::EndpointKey;
use webhook_endpoints::domain::event::{FanOut, StoredEvent, StoredPayload};
use webhook_endpoints::domain::event_type::EventType;
use webhook_endpoints::domain::failure::Failure;
use webhook_endpoints::domain::health::{Change, Failing, Health, Pause};
use webhook_endpoints::domain::id::{DeliveryId, EventId};
use webhook_endpoints::domain::message::{DeliveryTask, Source};

use crate::error::BoxError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const WRITES_AT_ONCE: usize = 50;

/// Writes deliveries that failed yesterday. Returns the time when the first was accepted.
pub(crate) async fn fail(
    table: &Table,
    endpoint: EndpointKey,
    count: u32,
) -> Result<Timestamp, BoxError> {
    let begin = Clock::system().now() - DAY;
    stream::iter(accepted(begin, count))
        .map(|at| async move {
            let task = store(table, endpoint, at).await?;
            let attempt = Attempt {
                number: 1,
                started_at: at,
                duration_ms: 15_000,
                verdict: Verdict::Failed(Failure::Timeout),
            };
            let after = AfterAttempt {
                delivery: task.delivery().after(&attempt, None),
                next: Next::Done,
                endpoint: Change::Unchanged,
            };
            table.record_attempt(&task, &attempt, &after).await?;
            Ok::<_, BoxError>(())
        })
        .buffer_unordered(WRITES_AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(begin)
}

/// Pauses an endpoint with a probe that is due, and writes deliveries that wait for it.
pub(crate) async fn wait(table: &Table, endpoint: EndpointKey, count: u32) -> Result<(), BoxError> {
    let now = Clock::system().now();
    let begin = now - DAY;
    stream::iter(accepted(begin, count))
        .map(|at| async move {
            let task = store(table, endpoint, at).await?;
            table.record_waiting(&task, at).await?;
            Ok::<_, BoxError>(())
        })
        .buffer_unordered(WRITES_AT_ONCE)
        .try_collect::<()>()
        .await?;
    let found = table.endpoint(endpoint).await?.ok_or("no endpoint")?;
    let paused = Health {
        failing: Some(Failing {
            since: begin,
            last: begin,
            failures: 2,
        }),
        pause: Some(Pause {
            since: begin,
            probe_at: Some(now),
            probes: 0,
        }),
        ..found.health
    };
    table.set_health(&found, &paused, now).await?;
    Ok(())
}

/// The times at which the deliveries were accepted, 10 ms apart.
fn accepted(begin: Timestamp, count: u32) -> impl Iterator<Item = Timestamp> {
    (0..count).map(move |number| begin + Duration::from_millis(10) * number)
}

/// Writes an event. Returns the task of its delivery's first attempt.
async fn store(
    table: &Table,
    endpoint: EndpointKey,
    at: Timestamp,
) -> Result<DeliveryTask, BoxError> {
    let event_id = EventId::new();
    let task = DeliveryTask {
        endpoint,
        delivery_id: DeliveryId::of_event(at, event_id, endpoint.endpoint_id),
        source: Source::Event(event_id),
        event: EventType::parse("event.0")?,
        created_at: at,
        expires_at: at + 30 * DAY,
        attempt: 1,
        resend: false,
        has_turn: false,
        if_owed: false,
        ephemeral: false,
    };
    let event = StoredEvent {
        r#type: task.event.clone(),
        accepted_at: at,
        expires_at: task.expires_at,
        payload: StoredPayload::Kept("{}".to_owned()),
        kept_for: None,
        audience: Audience::default(),
        fan_out: FanOut {
            by: "seed".to_owned(),
            since: at,
        },
    };
    table
        .store_event(endpoint.app_id, event_id, &event, at)
        .await?;
    Ok(task)
}
