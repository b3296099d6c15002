//! The log of the test process, shared by all its tests. tracing caches per process which
//! call sites are enabled, so a subscriber installed for one test would miss events of call
//! sites that another test hit first.

use std::io::{self, Write};
use std::sync::{Mutex, OnceLock};

use serde_json::Value;
use tracing::{Instrument, Level, error_span};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use uuid::Uuid;

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static STARTED: OnceLock<()> = OnceLock::new();

struct Writer;

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts logging at the most verbose level that a deployment can choose.
pub fn start() {
    STARTED.get_or_init(|| {
        let levels = Targets::new()
            .with_default(Level::WARN)
            .with_target("webhook_endpoints", Level::TRACE);
        // The format of `telemetry`, so that lines have the same size as in a deployment.
        let lines = fmt::layer()
            .with_writer(|| Writer)
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_target(false);
        tracing_subscriber::registry()
            .with(levels)
            .with(lines)
            .init();
    });
}

/// Returns what all tests of the process have logged since [`start`].
pub fn text() -> String {
    let lines = LINES.lock().unwrap().clone();
    String::from_utf8(lines).expect("read the log as text")
}

/// Returns the log lines that contain `text`.
pub fn lines_with(text: &str) -> Vec<String> {
    let log = self::text();
    let lines = log.lines().filter(|line| line.contains(text));
    lines.map(str::to_owned).collect()
}

/// Returns the lines that are logged while `work` runs, but not those of other tests.
pub async fn lines_of(work: impl Future<Output = ()>) -> Vec<Value> {
    start();
    let id = Uuid::now_v7().to_string();
    work.instrument(error_span!("batch", request_id = id)).await;
    let lines = lines_with(&id).into_iter();
    lines
        .map(|line| serde_json::from_str(&line).expect("parse the line"))
        .collect()
}

/// Returns the lines of `lines` with this message.
pub fn saying<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    let found = lines.iter().filter(|line| line["message"] == message);
    found.collect()
}
