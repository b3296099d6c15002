//! The log of the test process. It is one for all tests that run in it, because
//! tracing decides once per process which events are enabled: a subscriber of a
//! single test would miss those that another test came across first.

use std::io::{self, Write};
use std::sync::{Mutex, OnceLock};

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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

/// Starts logging at the most verbose level of a deployment.
pub fn start() {
    STARTED.get_or_init(|| {
        let levels = Targets::new()
            .with_default(Level::WARN)
            .with_target("webhook_endpoints", Level::TRACE);
        // As `telemetry` does, so that lines have their size in a deployment.
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

/// What was logged since [`start`], by all tests of the process.
pub fn text() -> String {
    let lines = LINES.lock().unwrap().clone();
    String::from_utf8(lines).expect("read the log as text")
}

/// The lines that contain this.
pub fn lines_with(text: &str) -> Vec<String> {
    let log = self::text();
    let lines = log.lines().filter(|line| line.contains(text));
    lines.map(str::to_owned).collect()
}
