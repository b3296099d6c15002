//! The policy as a table.

use super::*;
use crate::domain::address::AddressPolicy;
use crate::domain::audience::Audience;
use crate::domain::channel::Channels;
use crate::domain::endpoint::{DisabledReason, EndpointKey, NewEndpoint, SecretVersion};
use crate::domain::event::FanOut;
use crate::domain::event_type::{EventType, Subscriptions};
use crate::domain::failure::Failure;
use crate::domain::health::{Failing, Health, Pause};
use crate::domain::id::{AppId, DeliveryId, EndpointId, EventId};
use crate::domain::labels::Labels;
use crate::domain::target_url::TargetUrl;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn now() -> Timestamp {
    "2026-01-31T09:30:00Z".parse().unwrap()
}

fn policy() -> Policy {
    Policy {
        schedule: "60,7200".parse().unwrap(),
        health: HealthPolicy::default(),
    }
}

fn endpoint() -> Endpoint {
    let key = EndpointKey {
        app_id: AppId::new(),
        endpoint_id: EndpointId::new(),
    };
    let new = NewEndpoint {
        active: true,
        rate_limit: None,
        labels: Labels::default(),
        channels: Channels::default(),
        filter: None,
        url: TargetUrl::parse("https://example.com/", AddressPolicy::PublicOnly).unwrap(),
        events: Subscriptions::parse("events", ["*"]).unwrap(),
    };
    new.registered(key, SecretVersion::new("v1"), now())
}

fn event_task(endpoint: &Endpoint) -> DeliveryTask {
    DeliveryTask {
        endpoint: endpoint.key,
        delivery_id: DeliveryId::new(),
        source: Source::Event(EventId::new()),
        event: EventType::parse("invoice.paid").unwrap(),
        created_at: now(),
        expires_at: now() + 30 * DAY,
        attempt: 1,
        resend: false,
        has_turn: false,
        ephemeral: false,
    }
}

fn ping_task(endpoint: &Endpoint) -> DeliveryTask {
    DeliveryTask::ping(endpoint.key, now(), 30 * DAY).unwrap()
}

fn stored(payload: &str) -> Option<StoredEvent> {
    Some(StoredEvent {
        r#type: EventType::parse("invoice.paid").unwrap(),
        accepted_at: now(),
        expires_at: now() + 30 * DAY,
        payload: StoredPayload::Kept(payload.to_owned()),
        kept_for: None,
        audience: Audience::default(),
        fan_out: FanOut {
            by: String::new(),
            since: now(),
        },
    })
}

fn answered(status: u16) -> Verdict {
    asking(status, None)
}

fn asking(status: u16, retry_after: Option<Duration>) -> Verdict {
    Verdict::Answered(Answer {
        retry_after,
        ..Answer::bare(status)
    })
}

const FAST: Occasion = Occasion::Lane(Lane::Fast);
const SLOW: Occasion = Occasion::Lane(Lane::Slow);

#[test]
fn first_obstacle_decides_whether_an_attempt_is_made() {
    use Abandoned::{EndpointDeleted, EndpointInactive, PayloadDeleted, PayloadExpired};
    use BeforeAttempt::{Abandon, AlreadyMade};

    let active = endpoint();
    let inactive = Endpoint {
        active: false,
        ..active.clone()
    };
    let task = event_task(&active);
    let ping = ping_task(&active);
    let made = Delivery {
        attempts: 1,
        ..task.delivery()
    };
    let ended = Delivery {
        status: DeliveryStatus::Failed,
        ..task.delivery()
    };
    let event = || stored("{}");
    let deleted = || {
        let payload = StoredPayload::Deleted(now());
        event().map(|event| StoredEvent { payload, ..event })
    };
    let paused = Endpoint {
        health: Health {
            pause: Some(Pause {
                since: now(),
                probe_at: None,
                probes: 0,
            }),
            ..failing_for(DAY)
        },
        ..active.clone()
    };
    let rows = [
        (
            &task,
            Some(&active),
            Some(&made),
            event(),
            Some(AlreadyMade(Vec::new())),
        ),
        (
            &task,
            Some(&active),
            Some(&ended),
            event(),
            Some(AlreadyMade(Vec::new())),
        ),
        (
            &task,
            None,
            Some(&made),
            None,
            Some(AlreadyMade(Vec::new())),
        ),
        (&task, None, None, None, Some(Abandon(EndpointDeleted))),
        (&ping, None, None, None, Some(Abandon(EndpointDeleted))),
        (
            &task,
            Some(&inactive),
            None,
            None,
            Some(Abandon(EndpointInactive)),
        ),
        (
            &task,
            Some(&active),
            None,
            None,
            Some(Abandon(PayloadExpired)),
        ),
        (
            &task,
            Some(&paused),
            None,
            deleted(),
            Some(Abandon(PayloadDeleted)),
        ),
        (
            &task,
            Some(&inactive),
            None,
            deleted(),
            Some(Abandon(PayloadDeleted)),
        ),
        (
            &task,
            Some(&active),
            Some(&made),
            deleted(),
            Some(AlreadyMade(Vec::new())),
        ),
        (&task, Some(&active), None, event(), None),
        (&ping, Some(&inactive), None, None, None),
    ];
    for (row, (task, endpoint, delivery, event, expected)) in rows.into_iter().enumerate() {
        let context = AttemptContext {
            endpoint: endpoint.cloned(),
            delivery: delivery.cloned(),
            event,
        };
        let decided = before_attempt(task, FAST, context);
        match expected {
            Some(expected) => assert_eq!(decided, expected, "row {row}"),
            None => assert!(matches!(decided, BeforeAttempt::Send(_)), "row {row}"),
        }
    }
}

#[test]
fn health_decides_where_and_when_an_attempt_is_made() {
    let well = endpoint();
    let with = |health| Endpoint {
        health,
        ..well.clone()
    };
    let slow = with(Health {
        slow_since: Some(now()),
        ..Health::default()
    });
    let failing = with(failing_for(DAY));
    let paused = with(Health {
        pause: Some(Pause {
            since: now(),
            probe_at: None,
            probes: 0,
        }),
        ..failing_for(DAY)
    });
    let task = event_task(&well);
    let ping = ping_task(&well);
    let resend = DeliveryTask {
        resend: true,
        ..task.clone()
    };
    for (task, endpoint, occasion, expected) in [
        (&task, &well, FAST, "send"),
        (&task, &well, SLOW, "send"),
        (&task, &slow, FAST, "move"),
        (&task, &slow, SLOW, "send"),
        (&task, &failing, FAST, "move"),
        (&task, &failing, SLOW, "send"),
        (&task, &paused, FAST, "move"),
        (&task, &paused, SLOW, "wait"),
        (&task, &paused, Occasion::Probe, "send"),
        (&resend, &paused, SLOW, "send"),
        (&ping, &paused, FAST, "move"),
        (&ping, &paused, SLOW, "send"),
    ] {
        let context = AttemptContext {
            endpoint: Some(endpoint.clone()),
            delivery: None,
            event: stored("{}"),
        };
        let decided = match before_attempt(task, occasion, context) {
            BeforeAttempt::Send(_) => "send",
            BeforeAttempt::Move => "move",
            BeforeAttempt::Wait(_) => "wait",
            other => panic!("{other:?}"),
        };
        let state = endpoint.health.state();
        assert_eq!(decided, expected, "{state:?}, {occasion:?}, {task:?}");
    }
}

#[test]
fn payload_is_the_stored_events_or_the_pings_own() {
    let endpoint = endpoint();
    for (task, expected) in [
        (event_task(&endpoint), "stored"),
        (ping_task(&endpoint), "This is a test ping."),
    ] {
        let context = AttemptContext {
            endpoint: Some(endpoint.clone()),
            delivery: None,
            event: stored("stored"),
        };
        let BeforeAttempt::Send(ready) = before_attempt(&task, FAST, context) else {
            panic!("not sent: {task:?}");
        };
        assert!(ready.payload.contains(expected), "{ready:?}");
    }
}

/// Health of an endpoint whose failures began so long ago, the last one just now.
fn failing_for(long: Duration) -> Health {
    Health {
        failing: Some(Failing {
            since: now() - long,
            last: now(),
            failures: 10,
        }),
        ..Health::default()
    }
}

/// What changed for the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Unchanged,
    Recovered,
    BeganFailing,
    Paused,
    Disable(DisabledReason),
}

fn effect(old: &Health, change: Change) -> Effect {
    let new = match change {
        Change::Unchanged => return Effect::Unchanged,
        Change::Disable(reason) => return Effect::Disable(reason),
        Change::Health(new) => new,
    };
    match (old.state(), new.state()) {
        (_, State::Well) => Effect::Recovered,
        (State::Well, State::Failing) => Effect::BeganFailing,
        (State::Failing, State::Paused) => Effect::Paused,
        other => panic!("{other:?}"),
    }
}

/// One row of the policy.
struct Row {
    verdict: Verdict,
    attempt: u32,
    failing_for: Option<Duration>,
    status: DeliveryStatus,
    next: fn(Next) -> bool,
    endpoint: Effect,
}

const fn row(
    verdict: Verdict,
    attempt: u32,
    failing_for: Option<Duration>,
    then: (DeliveryStatus, fn(Next) -> bool, Effect),
) -> Row {
    Row {
        verdict,
        attempt,
        failing_for,
        status: then.0,
        next: then.1,
        endpoint: then.2,
    }
}

fn is_done(next: Next) -> bool {
    next == Next::Done
}

/// The first wait of the schedule, 60 s, give or take 20 %.
fn is_in_the_queue(next: Next) -> bool {
    matches!(next, Next::Queue(wait) if (48..=72).contains(&wait.as_secs()))
}

/// The second wait of the schedule, 2 h, give or take 20 %.
fn is_in_the_table(next: Next) -> bool {
    let hours = |tenths: u64| now() + Duration::from_secs(tenths * 360);
    matches!(next, Next::Schedule(at) if (hours(15)..=hours(25)).contains(&at))
}

/// An attempt of an event's delivery, by how it ended, its number, and how
/// long the endpoint has been failing.
fn rows() -> Vec<Row> {
    use DeliveryStatus::{Delivered, Failed, Pending};
    use Effect::{BeganFailing, Disable, Paused, Recovered, Unchanged};

    let began = (Pending, is_in_the_queue as fn(Next) -> bool, BeganFailing);
    let failures = Failure::ALL.map(|failure| row(Verdict::Failed(failure), 1, None, began));
    let mut rows = vec![
        // A success ends the delivery, and the endpoint's failing.
        row(answered(200), 1, None, (Delivered, is_done, Unchanged)),
        row(answered(299), 1, None, (Delivered, is_done, Unchanged)),
        row(
            answered(204),
            3,
            Some(9 * DAY),
            (Delivered, is_done, Recovered),
        ),
        // Any other answer, or none, is followed by the next attempt.
        row(answered(199), 1, None, began),
        row(answered(302), 1, None, began),
        row(answered(404), 1, None, began),
        row(answered(500), 1, None, began),
        // Longer waits than a queue can delay are kept in the table.
        row(
            answered(500),
            2,
            Some(DAY),
            (Pending, is_in_the_table, Paused),
        ),
        // After the last attempt the delivery has failed.
        row(answered(500), 3, Some(DAY), (Failed, is_done, Paused)),
        // 410 is final, and disables the endpoint.
        row(
            answered(410),
            1,
            None,
            (Failed, is_done, Disable(DisabledReason::Gone)),
        ),
        row(
            answered(410),
            2,
            Some(9 * DAY),
            (Failed, is_done, Disable(DisabledReason::Gone)),
        ),
        // So does failing for too long; the delivery itself goes on.
        row(
            answered(500),
            1,
            Some(5 * DAY),
            (Pending, is_in_the_queue, Disable(DisabledReason::Failing)),
        ),
        row(
            answered(500),
            1,
            Some(5 * DAY - Duration::from_secs(1)),
            (Pending, is_in_the_queue, Paused),
        ),
        // An endpoint that has failed for less than a minute goes on failing.
        row(
            answered(500),
            1,
            Some(Duration::from_secs(59)),
            (Pending, is_in_the_queue, Unchanged),
        ),
    ];
    rows.extend(failures);
    rows
}

/// Makes this attempt and decides what follows.
fn decide(
    task: &DeliveryTask,
    occasion: Occasion,
    endpoint: Endpoint,
    attempt: &Attempt,
) -> AfterAttempt {
    let before = ReadyAttempt {
        endpoint,
        delivery: task.delivery(),
        payload: "{}".to_owned(),
        is_stored: true,
    };
    let rng = &mut rand::rng();
    after_attempt(&policy(), task, occasion, &before, attempt, rng)
}

fn attempt(number: u32, verdict: Verdict) -> Attempt {
    Attempt {
        number,
        started_at: now(),
        duration_ms: 0,
        verdict,
    }
}

#[test]
fn outcome_decides_what_follows() {
    for row in rows() {
        let endpoint = Endpoint {
            health: row.failing_for.map(failing_for).unwrap_or_default(),
            ..endpoint()
        };
        let old = endpoint.health;
        let task = event_task(&endpoint);
        let made = attempt(row.attempt, row.verdict);
        let after = decide(&task, SLOW, endpoint, &made);
        assert_eq!(after.delivery.status, row.status, "{made:?}");
        assert_eq!(after.delivery.attempts, row.attempt, "{made:?}");
        assert!((row.next)(after.next), "{:?} after {made:?}", after.next);
        assert_eq!(effect(&old, after.endpoint), row.endpoint, "{made:?}");
        let waits = after.next != Next::Done;
        assert_eq!(after.delivery.next_retry_at.is_some(), waits, "{made:?}");
    }
}

#[test]
fn pings_are_never_retried_and_never_change_an_endpoint_that_is_not_paused() {
    for verdict in [
        answered(200),
        answered(410),
        answered(500),
        Verdict::Failed(Failure::Timeout),
    ] {
        let endpoint = Endpoint {
            health: failing_for(9 * DAY),
            ..endpoint()
        };
        let task = ping_task(&endpoint);
        let after = decide(&task, FAST, endpoint, &attempt(1, verdict));
        assert_eq!(after.next, Next::Done);
        assert_eq!(after.endpoint, Change::Unchanged);
    }
}

#[test]
fn failed_probes_use_up_no_attempt_and_successful_ones_do() {
    let endpoint = Endpoint {
        health: Health {
            pause: Some(Pause {
                since: now() - DAY,
                probe_at: Some(now()),
                probes: 3,
            }),
            ..failing_for(DAY)
        },
        ..endpoint()
    };
    let task = event_task(&endpoint);
    let failed = attempt(1, answered(500));
    let after = decide(&task, Occasion::Probe, endpoint.clone(), &failed);
    assert_eq!(after.next, Next::StillWaits);
    assert_eq!(after.delivery, task.delivery());
    let succeeded = attempt(1, answered(200));
    let after = decide(&task, Occasion::Probe, endpoint, &succeeded);
    assert_eq!(after.next, Next::Done);
    assert_eq!(after.delivery.status, DeliveryStatus::Delivered);
    assert_eq!(after.endpoint, Change::Health(Health::default()));
}

#[test]
fn retry_after_lengthens_a_wait_to_at_most_a_day() {
    let wait_after = |status, asked: u64| {
        let endpoint = endpoint();
        let verdict = asking(status, Some(Duration::from_secs(asked)));
        let task = event_task(&endpoint);
        decide(&task, SLOW, endpoint, &attempt(1, verdict)).next
    };
    for retried in [199, 302, 404, 429, 500, 503] {
        assert_eq!(
            wait_after(retried, 100),
            Next::Queue(Duration::from_secs(100))
        );
    }
    for ended in [200, 410] {
        assert_eq!(wait_after(ended, 100), Next::Done);
    }
    let wait = |asked| wait_after(503, asked);
    assert!(is_in_the_queue(wait(1)));
    assert_eq!(wait(900), Next::Queue(MAX_DELAY));
    assert_eq!(wait(901), Next::Schedule(now() + Duration::from_secs(901)));
    assert_eq!(wait(u64::MAX), Next::Schedule(now() + MAX_WAIT));
}

#[test]
fn waits_are_counted_from_the_end_of_the_attempt() {
    let endpoint = endpoint();
    let made = Attempt {
        duration_ms: 15_000,
        ..attempt(1, answered(500))
    };
    let after = decide(&event_task(&endpoint), SLOW, endpoint, &made);
    let Next::Queue(wait) = after.next else {
        panic!("{after:?}");
    };
    let due_at = now() + Duration::from_secs(15) + wait;
    assert_eq!(after.delivery.next_retry_at, Some(due_at));
}
