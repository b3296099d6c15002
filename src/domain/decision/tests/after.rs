//! After an attempt.

use super::*;
use crate::domain::endpoint::DisabledReason;
use crate::domain::failure::Failure;

/// The change to the endpoint.
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

/// The first wait of the schedule: 60 s, ±20 %.
fn is_in_the_queue(next: Next) -> bool {
    matches!(next, Next::Queue(wait) if (48..=72).contains(&wait.as_secs()))
}

/// The second wait of the schedule: 2 h, ±20 %.
fn is_in_the_table(next: Next) -> bool {
    let hours = |tenths: u64| now() + Duration::from_secs(tenths * 360);
    matches!(next, Next::Schedule(at) if (hours(15)..=hours(25)).contains(&at))
}

/// What follows from an attempt at an event's delivery, by its verdict, its number, and how
/// long the endpoint has been failing.
fn rows() -> Vec<Row> {
    use DeliveryStatus::{Delivered, Failed, Pending};
    use Effect::{BeganFailing, Disable, Paused, Recovered, Unchanged};

    let began = (Pending, is_in_the_queue as fn(Next) -> bool, BeganFailing);
    let failures = Failure::ALL.map(|failure| row(Verdict::Failed(failure), 1, None, began));
    let mut rows = vec![
        // A success ends the delivery and clears the endpoint's failures.
        row(answered(200), 1, None, (Delivered, is_done, Unchanged)),
        row(answered(299), 1, None, (Delivered, is_done, Unchanged)),
        row(
            answered(204),
            3,
            Some(9 * DAY),
            (Delivered, is_done, Recovered),
        ),
        // After any other answer, or none, there is a next attempt.
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
        // The last attempt fails the delivery.
        row(answered(500), 3, Some(DAY), (Failed, is_done, Paused)),
        // 410 is final and disables the endpoint.
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
        // Failing for too long disables the endpoint too, but does not end the delivery.
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
        // Nothing changes for an endpoint that has failed for less than a minute.
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

/// What follows from this attempt.
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
fn pings_are_not_retried_and_do_not_change_failing_endpoints() {
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
fn only_successful_probes_use_up_an_attempt() {
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
