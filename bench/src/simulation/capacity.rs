//! What AWS's quotas allow: from 10 to 100,000 events per second, for one app and for many.

use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

use super::flow::{Apps, Flow};
use super::limits::{Intake, Limits, poller_rate};
use super::model::Model;
use super::report::{Delay, Shown};
use crate::error::BoxError;

/// Events per second.
const LOADS: [f64; 5] = [10.0, 100.0, 1_000.0, 10_000.0, 100_000.0];

/// Numbers of apps that share the events, with one endpoint each.
const APPS: [f64; 3] = [1.0, 100.0, 100_000.0];

/// Numbers of endpoints of a single app that gets all events.
const ENDPOINTS: [f64; 5] = [1.0, 2.0, 10.0, 25.0, 100.0];

/// The seconds of the first minute, and of the tenth, when all pollers are running.
const FIRST: Range<u32> = 0..60;
const TENTH: Range<u32> = 540..600;

/// Length of a run. It ends half a minute after the tenth minute; later deliveries are
/// shown as "never".
const SECONDS: u32 = 630;

/// All tables, as Markdown.
pub(super) fn tables(model: &Model) -> Result<String, BoxError> {
    let defaults = Limits::defaults(model)?;
    let (raised, lifted) = (defaults.raised(), defaults.lifted());
    let mut out = String::new();
    by_intake(&mut out, model, defaults)?;
    writeln!(out)?;
    for limits in [defaults, raised, lifted] {
        by_load(&mut out, model, limits)?;
        writeln!(out)?;
    }
    by_endpoints(&mut out, model, lifted)?;
    writeln!(out)?;
    beside_a_hot_endpoint(&mut out, model, lifted)?;
    Ok(out)
}

/// The same events of a hundred apps, by how they are published.
fn by_intake(out: &mut String, model: &Model, limits: Limits) -> Result<(), BoxError> {
    writeln!(
        out,
        "| Events/s | Singly: delivered/s | refused/s | In batches: delivered/s | refused/s | more wait | On the queue: delivered/s | more wait |"
    )?;
    writeln!(out, "|---:|---:|---:|---:|---:|---:|---:|---:|")?;
    for rate in LOADS {
        let all = [Intake::Singly, Intake::InBatches, Intake::OnTheQueue];
        let [singly, batches, queue] = all.map(|intake| {
            let apps = Apps {
                apps: 100.0,
                endpoints: 1.0,
                rate,
            };
            Outcome::of(model, Limits { intake, ..limits }, vec![apps], 0)
        });
        let cells = [
            rate,
            singly.delivered,
            singly.refused,
            batches.delivered,
            batches.refused,
            batches.growth(),
            queue.delivered,
            queue.growth(),
        ];
        writeln!(out, "| {} |", cells.map(number).join(" | "))?;
    }
    Ok(())
}

fn by_load(out: &mut String, model: &Model, limits: Limits) -> Result<(), BoxError> {
    writeln!(
        out,
        "| Events/s | Apps | Delivered/s | Refused/s | More wait, each s | p50 | p99 | First minute: p99 | Bound by |"
    )?;
    writeln!(out, "|---:|---:|---:|---:|---:|---:|---:|---:|---|")?;
    for rate in LOADS {
        for apps in APPS {
            let endpoints = 1.0;
            let all = vec![Apps {
                apps,
                endpoints,
                rate,
            }];
            let outcome = Outcome::of(model, limits, all, 0);
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                number(rate),
                number(apps),
                number(outcome.delivered),
                number(outcome.refused),
                number(outcome.growth()),
                outcome.p50,
                outcome.p99,
                outcome.first,
                outcome.bound,
            )?;
        }
    }
    Ok(())
}

/// One app with more events than its partitions allow, each for one of its endpoints.
fn by_endpoints(out: &mut String, model: &Model, limits: Limits) -> Result<(), BoxError> {
    writeln!(
        out,
        "| Endpoints of the app | Delivered/s | Sent without a record, each s | Bound by |"
    )?;
    writeln!(out, "|---:|---:|---:|---|")?;
    for endpoints in ENDPOINTS {
        let all = vec![Apps {
            apps: 1.0,
            endpoints,
            rate: 5_000.0,
        }];
        let outcome = Outcome::of(model, limits, all, 0);
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            number(endpoints),
            number(outcome.delivered),
            number(outcome.sent_again),
            outcome.bound,
        )?;
    }
    Ok(())
}

/// 1,000 events per second of many apps, beside an app whose endpoint gets too many.
fn beside_a_hot_endpoint(out: &mut String, model: &Model, limits: Limits) -> Result<(), BoxError> {
    writeln!(
        out,
        "| Events/s to one endpoint | Delivered/s | In flight after ten minutes | The other apps: p50 | p99 |"
    )?;
    writeln!(out, "|---:|---:|---:|---:|---:|")?;
    for rate in [900.0, 1_100.0, 2_000.0, 10_000.0] {
        let others = Apps {
            apps: 1_000.0,
            endpoints: 1.0,
            rate: 1_000.0,
        };
        let hot = Apps {
            apps: 1.0,
            endpoints: 1.0,
            rate,
        };
        let all = vec![others, hot];
        let [others, hot] = [0, 1].map(|which| Outcome::of(model, limits, all.clone(), which));
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            number(rate),
            number(hot.delivered),
            number(hot.in_flight),
            others.p50,
            others.p99,
        )?;
    }
    Ok(())
}

/// A whole number with commas, and without the sign of -0.
fn number(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// What happens to some apps' events per second, on average over the tenth minute.
#[derive(Debug)]
struct Outcome {
    accepted: f64,
    refused: f64,
    delivered: f64,
    sent_again: f64,
    in_flight: f64,
    p50: Shown,
    p99: Shown,
    first: Shown,
    bound: String,
}

impl Outcome {
    fn of(model: &Model, limits: Limits, apps: Vec<Apps>, which: usize) -> Self {
        let flow = Flow::run(limits, poller_rate(model), apps, SECONDS);
        let traffic = &flow.traffic[which];
        let seconds = 60.0;
        let mean = |values: &[f64]| {
            let values = values.iter().take(600).skip(540);
            values.sum::<f64>() / seconds
        };
        let shown = |percent: f64, span: &Range<u32>| {
            let accepted = traffic.accepted.iter();
            let accepted = accepted.take(to_usize(span.end)).skip(to_usize(span.start));
            let part = accepted.sum::<f64>() * percent / 100.0;
            let late = percentile(&traffic.delays, span, part);
            Shown::from(late.map_or(Delay::NotAttempted, |seconds| {
                Delay::Of(base(model) + Duration::from_secs(seconds.into()))
            }))
        };
        let bounds = flow.bounds.get(590).into_iter().flatten().flatten();
        let bounds: Vec<_> = bounds.map(ToString::to_string).collect();
        Self {
            accepted: mean(&traffic.accepted),
            refused: mean(&traffic.refused),
            delivered: mean(&traffic.delivered),
            sent_again: mean(&traffic.sent_again),
            in_flight: traffic.hidden(),
            p50: shown(50.0, &TENTH),
            p99: shown(99.0, &TENTH),
            first: shown(99.0, &FIRST),
            bound: match bounds.is_empty() {
                true => "-".to_owned(),
                false => bounds.join("; "),
            },
        }
    }

    fn growth(&self) -> f64 {
        (self.accepted - self.delivered).max(0.0)
    }
}

fn to_usize(second: u32) -> usize {
    usize::try_from(second).unwrap_or(usize::MAX)
}

/// After how many seconds `part` of the events published in `span` had been delivered.
/// `None` if fewer were.
fn percentile(delays: &[(u32, u32, f64)], span: &Range<u32>, part: f64) -> Option<u32> {
    let of_span = delays
        .iter()
        .filter(|(published, _, _)| span.contains(published));
    let mut sorted: Vec<_> = of_span
        .map(|(_, delay, amount)| (*delay, *amount))
        .collect();
    sorted.sort_by_key(|(delay, _)| *delay);
    let mut done = 0.0;
    sorted.into_iter().find_map(|(delay, amount)| {
        done += amount;
        // The sum has rounding errors.
        (done >= part * (1.0 - 1e-6)).then_some(delay)
    })
}

/// The time from accepting an event to its first attempt, if nothing makes it wait.
fn base(model: &Model) -> Duration {
    let costs = &model.costs;
    costs.hop + costs.cpu(0) + costs.call * 2
}

#[cfg(test)]
mod tests {
    use super::super::flow::Traffic;
    use super::super::limits::{Bound, IN_FLIGHT};
    use super::*;

    fn model() -> Model {
        Model::of_template(Duration::from_millis(50)).unwrap()
    }

    fn defaults() -> Limits {
        Limits::defaults(&model()).unwrap()
    }

    fn run(limits: Limits, apps: f64, endpoints: f64, rate: f64) -> Flow {
        let all = vec![Apps {
            apps,
            endpoints,
            rate,
        }];
        Flow::run(limits, poller_rate(&model()), all, SECONDS)
    }

    fn last(flow: &Flow) -> (f64, [Option<Bound>; 2]) {
        let delivered = *flow.traffic[0].delivered.last().unwrap();
        (delivered.round(), *flow.bounds.last().unwrap())
    }

    #[test]
    fn default_throttle_refuses_what_exceeds_it() {
        let singly = Limits {
            intake: Intake::Singly,
            ..defaults()
        };
        let flow = run(singly, 100.0, 1.0, 1_000.0);
        let throttle = [Some(Bound::Throttle), None];
        assert_eq!(last(&flow), (100.0, throttle));
        assert!((flow.traffic[0].refused[0] - 900.0).abs() < 1e-6);
    }

    #[test]
    fn endpoint_gets_1000_a_second_and_more_is_sent_without_a_record() {
        let flow = run(defaults().lifted(), 1.0, 1.0, 5_000.0);
        assert_eq!(last(&flow), (1_000.0, [None, Some(Bound::EndpointWrites)]));
        assert!(flow.traffic[0].sent_again.iter().sum::<f64>() > 1_000.0);
    }

    #[test]
    fn list_of_an_apps_endpoints_is_read_3000_units_a_second() {
        for (endpoints, delivered) in [(25.0, 3_000.0), (100.0, 750.0)] {
            let flow = run(defaults().lifted(), 1.0, endpoints, 5_000.0);
            let expected = (delivered, [None, Some(Bound::AppReads)]);
            assert_eq!(last(&flow), expected, "{endpoints}");
            assert!(flow.traffic[0].sent_again.iter().sum::<f64>() < 1e-6);
        }
    }

    #[test]
    fn secrets_of_many_endpoints_are_read_again_and_again() {
        let limits = Limits {
            pollers: 1_000.0,
            ..defaults().lifted()
        };
        let per_endpoint = Limits {
            secret_reads: Some(10_000.0),
            ..limits
        };
        let bound = |limits| last(&run(limits, 100_000.0, 1.0, 100_000.0)).1[1];
        assert_eq!(bound(limits), Some(Bound::Pollers));
        assert_eq!(bound(per_endpoint), Some(Bound::SecretReads));
    }

    #[test]
    fn pollers_of_a_standstill_catch_up() {
        let flow = run(defaults().lifted(), 100_000.0, 1.0, 10_000.0);
        let delivered = &flow.traffic[0].delivered;
        assert!(delivered[0] < 1_000.0);
        assert_eq!(last(&flow), (10_000.0, [None, None]));
        assert!(flow.traffic[0].waiting() < 1.0);
    }

    #[test]
    fn events_are_delivered_waiting_or_in_flight() {
        let flow = run(defaults().lifted(), 1.0, 1.0, 2_000.0);
        let Traffic { delivered, .. } = &flow.traffic[0];
        let all = delivered.iter().sum::<f64>() + flow.traffic[0].waiting();
        let all = all + flow.traffic[0].hidden();
        let published = 2_000.0 * f64::from(SECONDS);
        assert!((all - published).abs() < 1.0, "{all} of {published}");
        assert!(flow.traffic[0].hidden() <= IN_FLIGHT);
    }

    #[test]
    fn percentile_takes_amounts_into_account() {
        let delays = [(0, 3, 10.0), (1, 0, 90.0), (70, 9, 1_000.0)];
        assert_eq!(percentile(&delays, &FIRST, 50.0), Some(0));
        assert_eq!(percentile(&delays, &FIRST, 99.0), Some(3));
        assert_eq!(percentile(&delays, &FIRST, 101.0), None);
    }

    #[test]
    fn documented_tables_are_those_of_the_simulation() {
        let document = include_str!("../../../docs/capacity.md");
        for line in tables(&model()).unwrap().lines() {
            assert!(document.contains(line), "docs/capacity.md lacks {line}");
        }
    }

    #[test]
    fn numbers_have_commas() {
        let numbers = [-0.0, 999.0, 1_000.0, 100_000.0, 1_234_567.0].map(number);
        assert_eq!(numbers, ["0", "999", "1,000", "100,000", "1,234,567"]);
    }
}
