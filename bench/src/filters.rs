//! CPU time of applying the filters of all endpoints of an app to an event.

use std::hint::black_box;
use std::time::Duration;

use webhook_endpoints::domain::filter::{Data, Filter};

use crate::error::BoxError;
use crate::meter::thread_time;

/// One filter for each of an app's maximum number of endpoints.
const FILTERS: u32 = 100;

const TIMES: u32 = 50;

/// Prints the time that one fan-out spends on filters, by the size of the event's data.
pub(crate) fn run() -> Result<(), BoxError> {
    println!("| Data | one filter | {FILTERS} filters |");
    println!("|---|---:|---:|");
    for (name, items) in [("1 KB", 11), ("256 KB", 3_000)] {
        let data = data(items);
        println!(
            "| {name} | {} | {} |",
            milliseconds(timed(&filters(1)?, &data)?),
            milliseconds(timed(&filters(FILTERS)?, &data)?),
        );
    }
    let ones = vec![r#"{"a":[1]}"#; 400].join(",");
    let zeros = format!(r#"{{"a":[{}0]}}"#, "0,".repeat(130_000));
    let wildcards = vec![r#"{"wildcard":"*a*b"}"#; 190].join(",");
    let words = format!(
        r#"{{"a":[{}""]}}"#,
        r#""aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","#.repeat(7_900)
    );
    for (name, filter, data) in [
        ("numbers", format!(r#"{{"$or":[{ones}]}}"#), zeros),
        ("wildcards", format!(r#"{{"a":[{wildcards}]}}"#), words),
    ] {
        let hostile = vec![Filter::parse(&filter).map_err(refused)?; FILTERS as usize];
        println!(
            "| 256 KB, filters and data as hostile as they can be: {name} | {} | {} |",
            milliseconds(timed(&hostile[..1], &data)?),
            milliseconds(timed(&hostile, &data)?),
        );
    }
    Ok(())
}

/// An order with `items` items.
fn data(items: usize) -> String {
    let customer = r#"{"id":"c_1","plan":"pro"}"#;
    let item =
        format!(r#"{{"sku":"a-1","price":12.5,"tags":["new","sale"],"customer":{customer}}}"#);
    let items = vec![item; items].join(",");
    format!(r#"{{"status":"open","total":1200,"customer":{customer},"items":[{items}]}}"#)
}

/// Filters that read everything before their last field does not match.
fn filters(count: u32) -> Result<Vec<Filter>, BoxError> {
    let filter = |n| {
        format!(
            r#"{{"status":["open","paid"],"total":[{{"numeric":[">",{n}]}}],
                "customer":{{"plan":[{{"prefix":"pr"}}]}},"items":{{"sku":["b-{n}"]}}}}"#
        )
    };
    (0..count)
        .map(|n| Filter::parse(&filter(n)).map_err(refused))
        .collect()
}

fn refused(errors: impl std::fmt::Debug) -> BoxError {
    format!("not a filter: {errors:?}").into()
}

fn timed(filters: &[Filter], data: &str) -> Result<Duration, BoxError> {
    let begun = thread_time();
    for _ in 0..TIMES {
        let data = Data::of(data);
        for filter in filters {
            let matcher = filter.compile().map_err(refused)?;
            black_box(matcher.matches(&data));
        }
    }
    Ok((thread_time() - begun) / TIMES)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}
