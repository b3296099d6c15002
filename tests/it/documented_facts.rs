//! Checks tables of the documentation against the code, template.yaml and openapi.json.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use local::mapping::mapping;
use webhook_endpoints::domain::app::MAX_KEYS_PER_APP;
use webhook_endpoints::domain::budget::Budgets;
use webhook_endpoints::domain::catalogue::MAX_TYPES;
use webhook_endpoints::domain::delivery::KEPT_BODY_CHARS;
use webhook_endpoints::domain::endpoint::MAX_ENDPOINTS_PER_APP;
use webhook_endpoints::domain::event::MAX_NESTING;
use webhook_endpoints::domain::event_type::{MAX_EVENT_TYPE_BYTES, MAX_SUBSCRIPTIONS};
use webhook_endpoints::domain::id::MAX_APP_ID_BYTES;
use webhook_endpoints::domain::message::Lane;
use webhook_endpoints::domain::rate_limit::RateLimit;
use webhook_endpoints::domain::target_url::MAX_URL_BYTES;

use crate::support::openapi::DOCUMENT;

const TEMPLATE: &str = include_str!("../../template.yaml");

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Returns the rows of the first table whose header begins with this cell.
fn rows(document: &str, first: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim_start_matches("| ").trim_end_matches(" |");
        inner.split(" | ").map(|cell| cell.trim().into()).collect()
    };
    let table = document
        .lines()
        .skip_while(|line| !line.starts_with(&format!("| {first} |")))
        .take_while(|line| line.starts_with('|'));
    table.skip(2).map(cells).collect()
}

/// Returns the texts in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// Returns the template's parameters and their defaults.
fn parameters() -> BTreeMap<String, String> {
    let section = TEMPLATE.split("\nParameters:\n").nth(1).unwrap();
    let section = section.split("\nRules:\n").next().unwrap();
    let mut name = "";
    let mut defaults = BTreeMap::new();
    for line in section.lines() {
        if let Some(default) = line.strip_prefix("    Default: ") {
            defaults.insert(name.to_owned(), default.trim_matches('"').to_owned());
        } else if line.starts_with("  ") && !line.starts_with("   ") {
            name = line.trim().trim_end_matches(':');
        }
    }
    defaults
}

/// Returns the functions' environment variables, by the parameter that sets each.
fn variables() -> BTreeMap<String, String> {
    let lines = TEMPLATE.lines().map(str::trim);
    let pairs = lines.filter_map(|line| line.split_once(": !Ref "));
    pairs
        .filter(|(variable, _)| variable.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .map(|(variable, parameter)| (parameter.to_owned(), variable.to_owned()))
        .collect()
}

#[test]
fn documented_parameters_match_the_template() {
    let (defaults, variables) = (parameters(), variables());
    let mut documented = BTreeSet::new();
    for row in rows(&read("docs/deploying.md"), "Parameter") {
        for name in quoted(&row[0]) {
            let default = defaults
                .get(&name)
                .unwrap_or_else(|| panic!("the template has no parameter {name}"));
            match row[1].as_str() {
                "none" => assert_eq!(default, "", "{name}"),
                // The schedule has a table of its own.
                see if see.starts_with("see ") => {}
                value => assert_eq!(value.trim_matches('`'), default, "{name}"),
            }
            let variable = quoted(row.get(3).map_or("", String::as_str)).next();
            assert_eq!(variable.as_ref(), variables.get(&name), "{name}");
            assert!(documented.insert(name));
        }
    }
    assert_eq!(documented, defaults.into_keys().collect());
}

/// Returns every text in backticks that a value in parentheses follows, with that value.
fn with_values(document: &str) -> impl Iterator<Item = (&str, &str)> {
    let after = document.split('`').skip(1).step_by(2);
    let values = document.split('`').skip(2).step_by(2);
    after.zip(values).filter_map(|(name, rest)| {
        let value = rest.strip_prefix(" (")?;
        Some((name, value.split_once(')')?.0))
    })
}

#[test]
fn documented_capacity_matches_the_template() {
    let (document, defaults) = (read("docs/capacity.md"), parameters());
    let mut quoted = BTreeSet::new();
    for (name, value) in with_values(&document) {
        let default = defaults
            .get(name)
            .unwrap_or_else(|| panic!("the template has no parameter {name}"));
        assert_eq!(value, default, "{name}");
        quoted.insert(name);
    }
    for name in [
        "ThrottlingRateLimit",
        "ThrottlingBurstLimit",
        "ApiReservedConcurrency",
        "DeliveryMaxConcurrency",
        "SlowMaxConcurrency",
        "SecretStorage",
    ] {
        assert!(quoted.contains(name), "{name}");
    }
    let held = [Lane::Fast, Lane::Slow].map(|lane| {
        let mapping = mapping(lane).unwrap();
        mapping.concurrency * mapping.batch_size
    });
    let [fast, slow] = held;
    let held = format!("batches hold {fast} on the fast lane and {slow} on the slow one");
    assert!(document.contains(&held), "{held}");
}

#[test]
fn documented_waits_match_the_default_schedule() {
    let seconds = |wait: &str| -> u64 {
        let (number, unit) = wait.split_once(' ').unwrap();
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => panic!("{wait} has no unit"),
        };
        number.parse::<u64>().unwrap() * unit
    };
    let waits = &rows(&read("docs/receiving.md"), "Attempt")[0];
    let waits: Vec<_> = waits.iter().skip(1).map(|wait| seconds(wait)).collect();
    let schedule = &parameters()["RetryScheduleSeconds"];
    let schedule: Vec<u64> = schedule
        .split(',')
        .map(|wait| wait.parse().unwrap())
        .collect();
    assert_eq!(waits, schedule);
}

#[test]
fn documented_alarms_match_the_template() {
    let rows = rows(&read("docs/operating.md"), "Alarm");
    let documented: BTreeSet<_> = rows.iter().flat_map(|row| quoted(&row[0])).collect();
    let lines: Vec<_> = TEMPLATE.lines().collect();
    let declared: BTreeSet<_> = lines
        .windows(2)
        .filter(|pair| pair[1] == "    Type: AWS::CloudWatch::Alarm")
        .map(|pair| pair[0].trim().trim_end_matches(':').to_owned())
        .collect();
    assert_eq!(documented, declared);
}

#[test]
fn documented_metrics_match_the_emitted_ones() {
    let rows = rows(&read("docs/operating.md"), "Metric");
    let documented: BTreeSet<_> = rows.iter().flat_map(|row| quoted(&row[0])).collect();
    let code = read("src/delivery/metrics.rs");
    let counted = code.split("self.count(\"").skip(1);
    let with_unit = code.split("(\"").skip(1).filter(|rest| {
        let after = rest.split_once('"').unwrap().1;
        after.starts_with(", \"Count\")") || after.starts_with(", \"Milliseconds\")")
    });
    let emitted: BTreeSet<_> = counted
        .chain(with_unit)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    assert_eq!(documented, emitted);
}

/// Returns the strings of an enum in openapi.json.
fn enumerated(pointer: &str) -> BTreeSet<String> {
    let values = DOCUMENT.pointer(pointer).unwrap().as_array().unwrap();
    let texts = values.iter().filter_map(|value| value.as_str());
    texts.map(str::to_owned).collect()
}

#[test]
fn documented_attempt_codes_match_the_api() {
    let rows = rows(&read("docs/api.md"), "`code`");
    let documented: BTreeSet<_> = rows.iter().flat_map(|row| quoted(&row[0])).collect();
    let described = enumerated("/components/schemas/Attempt/properties/code/enum");
    assert_eq!(documented, described);
}

#[test]
fn documented_error_codes_match_the_code() {
    let rows = rows(&read("docs/api.md"), "Status");
    let documented: BTreeSet<_> = rows.iter().flat_map(|row| quoted(&row[1])).collect();
    let in_code: BTreeSet<_> = read("src/api/error.rs")
        .split('"')
        .filter(|text| !text.is_empty())
        .filter(|text| text.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .map(str::to_owned)
        .collect();
    assert_eq!(documented, in_code);
}

#[test]
fn documented_limits_match_the_code() {
    let rows = rows(&read("docs/api.md"), "Limit");
    let budgets = Budgets::default();
    // 1000 is written as 1,000.
    let written = |number: u64| match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    };
    for (limit, number) in [
        ("App id", MAX_APP_ID_BYTES as u64),
        ("Endpoints per app", u64::from(MAX_ENDPOINTS_PER_APP)),
        ("API keys in use per app", MAX_KEYS_PER_APP as u64),
        ("URL", MAX_URL_BYTES as u64),
        ("`rateLimit`", u64::from(RateLimit::MAX)),
        ("Event types in the catalogue", MAX_TYPES as u64),
        ("Event types per endpoint", MAX_SUBSCRIPTIONS as u64),
        ("Event types per endpoint", MAX_EVENT_TYPE_BYTES as u64),
        ("Request body", MAX_NESTING as u64),
        ("Test pings", u64::from(budgets.pings_per_minute)),
        (
            "Rotations of a secret",
            u64::from(budgets.rotations_per_day),
        ),
        ("Rotations of a secret", budgets.rotation_pause.as_secs()),
        ("A receiver's response", KEPT_BODY_CHARS as u64),
    ] {
        let row = rows.iter().find(|row| row[0] == limit);
        let row = row.unwrap_or_else(|| panic!("docs/api.md lacks the limit {limit}"));
        let is_there = row[1]
            .split(|c: char| !(c.is_ascii_digit() || c == ','))
            .any(|word| word.trim_matches(',') == written(number));
        assert!(is_there, "{limit} is {number}, not {}", row[1]);
    }
}
