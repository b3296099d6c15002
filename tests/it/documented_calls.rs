//! Checks that the table of AWS calls in docs/performance.md is what [`crate::aws_calls`]
//! counts. `CALLS=write cargo test --test it -- documented_calls` rewrites the table.

use std::fmt::Write;
use std::path::Path;

use crate::aws_calls::{COSTS, SEALED_COSTS};
use crate::support::openapi::DOCUMENT;

const BEGIN: &str = "<!-- calls -->\n";
const END: &str = "<!-- end -->";

/// Formats calls as in "`GetItem`, 2 `UpdateItem`".
fn listed<'a>(calls: impl Iterator<Item = &'a &'a str>) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for call in calls {
        match counted.iter_mut().find(|(name, _)| name == call) {
            Some((_, count)) => *count += 1,
            None => counted.push((call, 1)),
        }
    }
    let texts = counted.iter().map(|(name, count)| match count {
        1 => format!("`{name}`"),
        _ => format!("{count} `{name}`"),
    });
    texts.collect::<Vec<_>>().join(", ")
}

fn table() -> String {
    let mut text = String::from("| Call | AWS calls | If secrets are sealed |\n|---|---|---|\n");
    // The document's order: by path and method.
    for item in DOCUMENT["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let Some(name) = operation.get("operationId").and_then(|id| id.as_str()) else {
                continue;
            };
            let calls_of = |costs: &[(&str, &'static [&'static str])]| {
                let found = costs.iter().find(|(other, _)| *other == name);
                found.map(|(_, calls)| listed(calls.iter()))
            };
            let Some(calls) = calls_of(&COSTS) else {
                continue;
            };
            let sealed = calls_of(&SEALED_COSTS).unwrap_or_default();
            writeln!(text, "| `{name}` | {calls} | {sealed} |").unwrap();
        }
    }
    text.replace("|  |", "| |").replace("|  |", "| |")
}

#[expect(
    clippy::disallowed_methods,
    reason = "an option of the test, not a setting of the service"
)]
fn must_write_table() -> bool {
    std::env::var("CALLS").is_ok_and(|value| value == "write")
}

#[test]
fn documented_aws_calls_match_the_counted_ones() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (documented, after) = rest.split_once(END).unwrap();
    if must_write_table() {
        let current = format!("{before}{BEGIN}{}{END}{after}", table());
        std::fs::write(&path, current).unwrap();
        return;
    }
    assert_eq!(
        documented,
        table(),
        "run with CALLS=write to rewrite the table"
    );
}
