//! Checks that every figure in docs/cost.md follows from counted units and list prices.
//! `COSTS=write cargo test --test it -- costs` rewrites the tables.

mod bill;
pub mod counted;
mod peers;
mod prices;
mod tables;

use std::fs;
use std::path::PathBuf;

use counted::TRAFFIC;
use tables::{Counts, ENDPOINTS, PAYLOADS};

async fn counts() -> Counts {
    let mut by = Vec::new();
    for traffic in TRAFFIC {
        for endpoints in ENDPOINTS {
            for payload in PAYLOADS {
                let counted = counted::count_events(traffic, endpoints, payload).await;
                by.push((traffic, endpoints, payload, counted));
            }
        }
    }
    let template = include_str!("../../template.yaml");
    // An alarm on an expression is charged once per metric in it. Alarms with a condition
    // are left out, because they exist only if the operator enables them.
    let count = |text| template.matches(text).count();
    let alarms = count("Type: AWS::CloudWatch::Alarm\n    Properties:") + count("MetricStat:")
        - count(" Metrics:\n");
    let at_rest = bill::at_rest(alarms, counted::count_sweep().await);
    Counts { by, at_rest }
}

/// Returns the document with these texts between its marks.
fn filled(mut document: String, texts: &[(&str, String)]) -> String {
    for (name, text) in texts {
        let begin = format!("<!-- {name} -->\n");
        let at = document.find(&begin).expect("find the mark") + begin.len();
        let end = document[at..].find("<!-- end -->").expect("find the end") + at;
        document.replace_range(at..end, text);
    }
    document
}

/// Returns whether two texts agree, numbers to within 1 % or 0.015. The lengths of times
/// and numbers in logs and items differ slightly between runs, and so do the last digits of
/// the figures.
fn agree(one: &str, other: &str) -> bool {
    let number = |word: &str| {
        let plain: String = word.chars().filter(|c| !"$,*".contains(*c)).collect();
        plain.parse::<f64>().ok()
    };
    let (mut words, mut others) = (one.split_whitespace(), other.split_whitespace());
    loop {
        match (words.next(), others.next()) {
            (None, None) => return true,
            (Some(word), Some(other)) => match (number(word), number(other)) {
                (Some(a), Some(b)) if (a - b).abs() <= f64::max(0.015, 0.01 * a.abs()) => {}
                _ if word == other => {}
                _ => return false,
            },
            _ => return false,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an option of the test, not a setting of the service"
)]
fn must_write_tables() -> bool {
    std::env::var("COSTS").is_ok_and(|value| value == "write")
}

#[tokio::test]
async fn documented_costs_follow_from_counted_units_and_prices() {
    let counts = counts().await;
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cost.md"));
    let document = fs::read_to_string(&path).unwrap();
    let texts = [
        ("millions", tables::millions(&counts)),
        ("parts", tables::parts(&counts)),
        ("units", tables::units(&counts)),
        ("at rest", tables::at_rest(&counts)),
        ("months", tables::months(&counts)),
        ("peers", tables::peers(&counts)),
        ("break-even", tables::break_even(&counts)),
        ("prices", tables::prices()),
    ];
    let current = filled(document.clone(), &texts);
    if must_write_tables() {
        fs::write(&path, &current).unwrap();
        return;
    }
    for (line, expected) in document.lines().zip(current.lines()) {
        assert!(
            agree(line, expected),
            "docs/cost.md says\n{line}\nbut should say\n{expected}"
        );
    }
    assert_eq!(document.lines().count(), current.lines().count());
}

#[test]
fn figures_agree_to_within_a_percent() {
    assert!(agree(
        "| a | $1,000 | **$4.00** |",
        "| a | $1,009 | **$4.03** |"
    ));
    assert!(!agree("| a | $4.00 |", "| a | $4.06 |"));
    assert!(!agree("| a | $4.00 |", "| b | $4.00 |"));
    assert!(!agree("| a | $4.00 |", "| a | $4.00 | $1.00 |"));
}
