//! The tables of docs/cost.md.

use std::fmt::Write as _;

use super::bill::{Parts, Secrets, month, per_million, sum, transfer};
use super::counted::{Counted, TRAFFIC, Traffic};
use super::peers::{PEERS, one_machine};
use super::prices::ALL;

/// Counts by kind of traffic, endpoints per event and payload size.
pub struct Counts {
    pub by: Vec<(Traffic, usize, usize, Counted)>,
    pub at_rest: Parts,
}

pub const ENDPOINTS: [usize; 3] = [1, 3, 10];
pub const PAYLOADS: [usize; 2] = [1_000, 10_000];

const MONTHLY_EVENTS: [f64; 4] = [1e5, 1e6, 1e7, 1e8];
const MONTHLY_ENDPOINTS: [f64; 4] = [10.0, 100.0, 1_000.0, 10_000.0];

impl Counts {
    fn of(&self, traffic: Traffic, endpoints: usize, payload: usize) -> &Counted {
        let found = self
            .by
            .iter()
            .find(|(m, e, p, _)| (*m, *e, *p) == (traffic, endpoints, payload));
        &found.expect("counts of these").3
    }

    /// The counts for an event of 1 KB for one endpoint.
    fn simple(&self, traffic: Traffic) -> &Counted {
        self.of(traffic, 1, 1_000)
    }

    /// The dollars for a month of events published singly. Up to 10 million of them, spread
    /// over the month, are each handled on their own.
    pub fn month(&self, kind: Secrets, endpoints: f64, events: f64) -> f64 {
        let traffic = if events > 1e7 {
            Traffic::Busy
        } else {
            Traffic::OneByOne
        };
        month(
            kind,
            endpoints,
            events,
            (traffic, self.simple(traffic)),
            &self.at_rest,
        )
    }

    fn transfer(&self) -> f64 {
        transfer(self.simple(Traffic::OneByOne))
    }

    pub fn cheapest_peer(&self, events: f64) -> f64 {
        let months = PEERS.iter().map(|peer| peer.month(events, self.transfer()));
        months.fold(f64::INFINITY, f64::min)
    }
}

fn dollars(amount: f64) -> String {
    if amount >= 1_000.0 {
        let whole = format!("{amount:.0}");
        let (thousands, rest) = whole.split_at(whole.len() - 3);
        return format!("${thousands},{rest}");
    }
    format!("${amount:.2}")
}

fn header(columns: &[String]) -> String {
    let names = columns.join(" | ");
    let lines = vec!["---:"; columns.len() - 1].join("|");
    format!("| {names} |\n|---|{lines}|\n")
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn traffic_name(traffic: Traffic) -> String {
    match traffic {
        Traffic::OneByOne => "singly, few",
        Traffic::Busy => "singly, many",
        Traffic::InBatches => "in batches",
    }
    .to_owned()
}

fn with_traffic(first: &str) -> Vec<String> {
    let mut columns = vec![first.to_owned()];
    columns.extend(TRAFFIC.map(traffic_name));
    columns
}

/// The dollars for a million events.
pub fn millions(counts: &Counts) -> String {
    let mut table = header(&with_traffic("Endpoints per event, payload"));
    for endpoints in ENDPOINTS {
        for payload in PAYLOADS {
            let mut cells = vec![format!("{endpoints}, {} KB", payload / 1_000)];
            cells.extend(TRAFFIC.map(|traffic| {
                let counted = counts.of(traffic, endpoints, payload);
                dollars(sum(&per_million(traffic, counted)))
            }));
            table += &row(&cells);
        }
    }
    table
}

/// The bill for a million events of 1 KB for one endpoint.
pub fn parts(counts: &Counts) -> String {
    let mut table = header(&with_traffic("A million events, 1 endpoint, 1 KB"));
    let bills = TRAFFIC.map(|traffic| per_million(traffic, counts.simple(traffic)));
    for (index, (name, _)) in bills[0].iter().enumerate() {
        let mut cells = vec![(*name).to_owned()];
        cells.extend(bills.iter().map(|bill| dollars(bill[index].1)));
        table += &row(&cells);
    }
    let mut cells = vec!["**Sum**".to_owned()];
    cells.extend(
        bills
            .iter()
            .map(|bill| format!("**{}**", dollars(sum(bill)))),
    );
    table + &row(&cells)
}

/// The units of an event of 1 KB for one endpoint.
pub fn units(counts: &Counts) -> String {
    type Unit = (&'static str, fn(&Counted) -> f64);
    const UNITS: [Unit; 11] = [
        ("API requests (512 KB)", |c| c.requests),
        ("invocations of `api`", |c| c.api_invocations),
        ("invocations of `deliver`", |c| c.deliver_invocations),
        ("SQS requests (64 KB), polling apart", |c| c.queue_requests),
        ("write units", |c| c.units.write),
        ("read units", |c| c.units.read),
        ("attempts", |c| c.attempts),
        ("bytes of log", |c| c.log_bytes),
        ("bytes stored, with indexes", |c| c.stored_bytes),
        ("of which backed up", |c| c.backed_up_bytes),
        ("bytes to the internet", |c| c.bytes_out),
    ];
    let mut table = header(&with_traffic("An event, 1 endpoint, 1 KB"));
    for (name, unit) in UNITS {
        let mut cells = vec![name.to_owned()];
        cells.extend(TRAFFIC.map(|traffic| {
            let value = unit(counts.simple(traffic));
            if value >= 50.0 {
                format!("{value:.0}")
            } else {
                format!("{value:.2}")
            }
        }));
        table += &row(&cells);
    }
    table
}

pub fn at_rest(counts: &Counts) -> String {
    let mut table = header(&["A month at rest".to_owned(), String::new()]);
    for (name, amount) in &counts.at_rest {
        table += &row(&[(*name).to_owned(), dollars(*amount)]);
    }
    table
        + &row(&[
            "**Sum**".to_owned(),
            format!("**{}**", dollars(sum(&counts.at_rest))),
        ])
}

fn events_columns(first: &str) -> Vec<String> {
    let names = ["0.1 million", "1 million", "10 million", "100 million"];
    let mut columns = vec![first.to_owned()];
    columns.extend(names.map(str::to_owned));
    columns
}

/// A month by endpoints and events, for both ways of storing secrets.
pub fn months(counts: &Counts) -> String {
    let mut table = header(&events_columns("Endpoints, events a month"));
    for (kind, name) in [
        (Secrets::Sealed, "sealed"),
        (Secrets::Each, "a secret each"),
    ] {
        for endpoints in MONTHLY_ENDPOINTS {
            let mut cells = vec![format!("{endpoints:.0}, {name}")];
            let month = |events| dollars(counts.month(kind, endpoints, events));
            cells.extend(MONTHLY_EVENTS.map(month));
            table += &row(&cells);
        }
    }
    table
}

/// Other services, compared with this one with 1,000 endpoints.
pub fn peers(counts: &Counts) -> String {
    let mut table = header(&events_columns("Events a month"));
    let ours = MONTHLY_EVENTS.map(|events| dollars(counts.month(Secrets::Sealed, 1e3, events)));
    let mut cells = vec!["this service, 1,000 endpoints, sealed".to_owned()];
    cells.extend(ours);
    table += &row(&cells);
    for peer in &PEERS {
        let mut cells = vec![format!(
            "[{}]({}): {}",
            peer.name, peer.source, peer.machine
        )];
        let month = |events| dollars(peer.month(events, counts.transfer()));
        cells.extend(MONTHLY_EVENTS.map(month));
        table += &row(&cells);
    }
    let mut cells = vec!["any of them, all on one t4g.small".to_owned()];
    let month = |events| dollars(one_machine(events, counts.transfer()));
    cells.extend(MONTHLY_EVENTS.map(month));
    table + &row(&cells)
}

/// The number of events per month from which other services cost less.
pub fn break_even(counts: &Counts) -> String {
    let crossing = |theirs: &dyn Fn(f64) -> f64| {
        let mut steps = (1..1_000).map(|step| f64::from(step) * 1e5);
        let ours = |events| counts.month(Secrets::Sealed, 1e3, events);
        steps.find(|events| theirs(*events) < ours(*events))
    };
    let shown = |events: Option<f64>| match events {
        Some(events) => format!("{:.1} million", events / 1e6),
        None => "more than 100 million".to_owned(),
    };
    let managed = crossing(&|events| counts.cheapest_peer(events));
    let alone = crossing(&|events| one_machine(events, counts.transfer()));
    format!(
        "With 1,000 endpoints, the cheapest of them costs less than this service from {} events\n\
         a month on, and one machine for everything from {} on.\n",
        shown(managed),
        shown(alone)
    )
}

pub fn prices() -> String {
    let mut table = "| Price | Dollars | Per |\n|---|---:|---|\n".to_owned();
    for price in ALL {
        let dollars = match price.dollars {
            amount if (amount * 100.0).fract() == 0.0 => format!("{amount:.2}"),
            amount => amount.to_string(),
        };
        let _ = writeln!(
            table,
            "| [{}]({}) | {dollars} | {} |",
            price.of, price.page, price.per
        );
    }
    table
}
