//! Before an attempt.

use super::*;

#[test]
fn first_check_that_applies_decides() {
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
        health: paused(),
        ..active.clone()
    };
    let already = || Some(AlreadyMade(Vec::new()));
    let ends = |reason| Some(Abandon(reason));
    let rows = [
        (&task, Some(&active), Some(&made), event(), already()),
        (&task, Some(&active), Some(&ended), event(), already()),
        (&task, None, Some(&made), None, already()),
        (&task, None, None, None, ends(EndpointDeleted)),
        (&ping, None, None, None, ends(EndpointDeleted)),
        (&task, Some(&inactive), None, None, ends(EndpointInactive)),
        (&task, Some(&active), None, None, ends(PayloadExpired)),
        (&task, Some(&paused), None, deleted(), ends(PayloadDeleted)),
        (
            &task,
            Some(&inactive),
            None,
            deleted(),
            ends(PayloadDeleted),
        ),
        (&task, Some(&active), Some(&made), deleted(), already()),
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
    let paused = with(paused());
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
fn payload_comes_from_the_stored_event_or_the_ping() {
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
