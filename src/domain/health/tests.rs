//! How attempts change an endpoint's health.

use super::*;
use crate::domain::delivery::Answer;
use crate::domain::failure::Failure;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const POLICY: HealthPolicy = HealthPolicy {
    slow_after: Duration::from_secs(3),
    pause_after: MINUTE,
    first_probe: Duration::from_secs(30),
    disable_after: Duration::from_secs(5 * 24 * 60 * 60),
};

fn start() -> Timestamp {
    "2026-01-31T09:30:00Z".parse().unwrap()
}

fn answer(status: u16, at: Timestamp, millis: u32) -> Attempt {
    Attempt {
        number: 1,
        started_at: at,
        duration_ms: millis,
        verdict: Verdict::Answered(Answer::bare(status)),
    }
}

fn timeout(at: Timestamp) -> Attempt {
    Attempt {
        verdict: Verdict::Failed(Failure::Timeout),
        ..answer(500, at, 15_000)
    }
}

fn after(health: &Health, kind: Kind, attempt: &Attempt) -> Change {
    health.after(&POLICY, kind, attempt, &mut rand::rng())
}

/// The health after an attempt that changes it.
#[track_caller]
fn changed(health: &Health, kind: Kind, attempt: &Attempt) -> Health {
    match after(health, kind, attempt) {
        Change::Health(health) => health,
        other => panic!("{other:?}"),
    }
}

fn failing(since: Timestamp, last: Timestamp, failures: u32) -> Health {
    Health {
        failing: Some(Failing {
            since,
            last,
            failures,
        }),
        ..Health::default()
    }
}

fn paused(probes: u32) -> Health {
    Health {
        pause: Some(Pause {
            since: start(),
            probe_at: Some(start()),
            probes,
        }),
        ..failing(start() - MINUTE, start(), 2)
    }
}

#[test]
fn successes_of_healthy_endpoints_cost_no_write() {
    for attempt in [answer(200, start(), 10), answer(200, start(), 14_000)] {
        let change = after(&Health::default(), Kind::Delivery, &attempt);
        assert_eq!(change, Change::Unchanged);
    }
}

#[test]
fn answers_in_half_the_time_limit_clear_slow_since() {
    let slow = Health {
        slow_since: Some(start()),
        ..Health::default()
    };
    assert_eq!(slow.state(), State::Slow);
    let quick = answer(200, start(), 1_499);
    assert_eq!(changed(&slow, Kind::Delivery, &quick), Health::default());
    let slowly = answer(200, start(), 1_500);
    assert_eq!(after(&slow, Kind::Delivery, &slowly), Change::Unchanged);
    // A connection that is refused at once says nothing about speed.
    let refused = Attempt {
        verdict: Verdict::Failed(Failure::Connect),
        ..answer(500, start(), 1)
    };
    assert_eq!(
        changed(&slow, Kind::Delivery, &refused).slow_since,
        Some(start())
    );
}

#[test]
fn pings_clear_slow_since_but_do_not_count_as_failures() {
    let well = failing(start(), start(), 3);
    let slow = Health {
        slow_since: Some(start()),
        ..well
    };
    // (health, status, time it took, health after)
    let table = [
        (slow, 200, 100, Change::Health(well)),
        (slow, 500, 100, Change::Health(well)),
        (slow, 410, 100, Change::Health(well)),
        (slow, 200, 2_000, Change::Unchanged),
        (well, 200, 100, Change::Unchanged),
        (Health::default(), 500, 100, Change::Unchanged),
    ];
    for (health, status, millis, expected) in table {
        let answered = answer(status, start(), millis);
        assert_eq!(
            after(&health, Kind::Ping, &answered),
            expected,
            "{status} {millis}"
        );
    }
    assert_eq!(
        after(&slow, Kind::Ping, &timeout(start())),
        Change::Unchanged
    );
}

#[test]
fn only_the_first_failure_within_a_minute_is_written() {
    let first = changed(&Health::default(), Kind::Delivery, &answer(500, start(), 0));
    assert_eq!(first, failing(start(), start(), 1));
    for seconds in [1, 59] {
        let next = answer(500, start() + seconds * SECOND, 0);
        assert_eq!(after(&first, Kind::Delivery, &next), Change::Unchanged);
    }
}

#[test]
fn endpoints_are_paused_after_failing_for_a_minute() {
    let known = failing(start(), start(), 1);
    let now = start() + MINUTE;
    let health = changed(&known, Kind::Delivery, &answer(500, now, 0));
    assert_eq!(health.state(), State::Paused);
    assert_eq!(health.failing, failing(start(), now, 2).failing);
    let pause = health.pause.unwrap();
    assert_eq!((pause.since, pause.probes), (now, 0));
    let wait = pause.probe_at.unwrap().duration_since(now).as_secs();
    assert!((24..=36).contains(&wait), "{wait} s");
    // Attempts that were under way when the pause began change nothing.
    let late = timeout(now);
    assert_eq!(after(&health, Kind::Delivery, &late), Change::Unchanged);
}

#[test]
fn waits_for_probes_double_up_to_15_minutes() {
    for (probes, seconds) in [(0, 60), (1, 120), (2, 240), (3, 480), (4, 900), (99, 900)] {
        let health = changed(&paused(probes), Kind::Probe, &answer(500, start(), 0));
        let pause = health.pause.unwrap();
        assert_eq!(pause.probes, probes + 1);
        let wait = pause.probe_at.unwrap().duration_since(start()).as_secs();
        assert!(
            (seconds * 8 / 10..=seconds * 12 / 10).contains(&wait),
            "{wait} s"
        );
        assert_eq!(health.failing.unwrap().failures, 3);
    }
}

#[test]
fn probes_of_endpoints_that_fail_together_are_spread() {
    let wait = || {
        let health = changed(&paused(0), Kind::Probe, &answer(500, start(), 0));
        let at = health.pause.unwrap().probe_at.unwrap();
        at.duration_since(start()).as_millis()
    };
    let waits: Vec<_> = (0..100).map(|_| wait()).collect();
    assert!(waits.iter().any(|wait| *wait < 60_000 - 3_000));
    assert!(waits.iter().any(|wait| *wait > 60_000 + 3_000));
}

#[test]
fn retry_after_lengthens_the_wait_for_a_probe() {
    let mut attempt = answer(503, start(), 0);
    for (asked, expected) in [(7_200, 7_200), (1_000_000, 86_400)] {
        attempt.verdict = Verdict::Answered(Answer {
            retry_after: Some(asked * SECOND),
            ..Answer::bare(503)
        });
        let pause = changed(&paused(0), Kind::Probe, &attempt).pause.unwrap();
        let wait = pause.probe_at.unwrap().duration_since(start()).as_secs();
        assert_eq!(wait, expected);
    }
}

#[test]
fn any_success_ends_a_pause() {
    for kind in [Kind::Probe, Kind::Ping, Kind::Delivery] {
        let health = changed(&paused(3), kind, &answer(204, start(), 10));
        assert_eq!(health, Health::default(), "{kind:?}");
    }
    let failed_ping = after(&paused(3), Kind::Ping, &answer(500, start(), 10));
    assert_eq!(failed_ping, Change::Unchanged);
}

#[test]
fn probes_that_fail_after_their_pause_begin_no_new_one() {
    let failed = answer(500, start(), 10);
    let health = changed(&Health::default(), Kind::Probe, &failed);
    assert_eq!(health.state(), State::Failing);
}

#[test]
fn successes_win_over_concurrent_failures() {
    let read = paused(0);
    let well = changed(&read, Kind::Ping, &answer(200, start(), 10));
    // A probe failed meanwhile.
    let by_now = paused(1);
    assert_eq!(by_now.after_success_on(&read, &well), Some(well));
    // It became slow, too.
    let slow_since = Some(start());
    let slow = Health {
        slow_since,
        ..by_now
    };
    let still_slow = Health { slow_since, ..well };
    assert_eq!(slow.after_success_on(&read, &well), Some(still_slow));
    // The failures have ended already, or others have begun.
    let later = failing(start() + DAY, start() + DAY, 1);
    for by_now in [well, later] {
        assert_eq!(by_now.after_success_on(&read, &well), None);
    }
}

#[test]
fn endpoints_are_disabled_after_failing_for_five_days() {
    let since = start() - 5 * DAY;
    let disabled = Change::Disable(DisabledReason::Failing);
    let again = answer(500, start(), 0);
    let known = failing(since, start() - DAY, 9);
    assert_eq!(after(&known, Kind::Probe, &again), disabled);
    // Too few failures, or not for long enough.
    let too_few = failing(since, start() - DAY, 8);
    assert!(matches!(
        after(&too_few, Kind::Probe, &again),
        Change::Health(_)
    ));
    let too_short = failing(since + SECOND, start() - DAY, 100);
    assert!(matches!(
        after(&too_short, Kind::Probe, &again),
        Change::Health(_)
    ));
}

#[test]
fn failures_more_than_a_day_apart_begin_a_new_series() {
    let known = failing(start() - 9 * DAY, start() - DAY - SECOND, 100);
    let health = changed(&known, Kind::Delivery, &answer(500, start(), 0));
    assert_eq!(health, failing(start(), start(), 1));
}

#[test]
fn gone_disables_at_once_except_for_pings() {
    let gone = answer(410, start(), 0);
    let disabled = Change::Disable(DisabledReason::Gone);
    assert_eq!(after(&Health::default(), Kind::Delivery, &gone), disabled);
    assert_eq!(after(&paused(0), Kind::Probe, &gone), disabled);
    assert_eq!(after(&paused(0), Kind::Ping, &gone), Change::Unchanged);
}

#[test]
fn first_waiting_delivery_schedules_a_probe() {
    let idle = paused(1).without_probe();
    assert_eq!(idle.pause.unwrap().probe_at, None);
    // Not before the usual wait since the last failure is over.
    let probe_at = |now| {
        idle.with_probe(&POLICY, now)
            .unwrap()
            .pause
            .unwrap()
            .probe_at
    };
    assert_eq!(probe_at(start() + SECOND), Some(start() + 60 * SECOND));
    assert_eq!(probe_at(start() + DAY), Some(start() + DAY));
    assert_eq!(paused(1).with_probe(&POLICY, start()), None);
    assert_eq!(Health::default().with_probe(&POLICY, start()), None);
}

#[test]
fn apps_are_slow_with_five_slow_endpoints_and_a_tenth_of_all() {
    let slow = Health {
        slow_since: Some(start()),
        ..Health::default()
    };
    let hanging = Health {
        slow_since: Some(start()),
        ..failing(start(), start(), 1)
    };
    let refusing = failing(start(), start(), 1);
    let paused = Health {
        slow_since: Some(start()),
        ..paused(0)
    };
    let well = Health::default();
    // (how many, of this health, how many others are well, whether the app is slow)
    let table = [
        (4, slow, 0, false),
        (5, slow, 0, true),
        (5, slow, 45, true),
        (5, slow, 46, false),
        (10, slow, 90, true),
        (5, hanging, 45, true),
        (50, refusing, 50, false),
        (50, paused, 50, false),
        (0, slow, 0, false),
    ];
    for (count, health, others, expected) in table {
        let of_app = std::iter::repeat_n(&health, count);
        let of_app = of_app.chain(std::iter::repeat_n(&well, others));
        let found = is_app_slow(of_app);
        assert_eq!(found, expected, "{count} of {health:?} and {others}");
    }
}
