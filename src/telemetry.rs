//! Logging: one JSON object per line on standard output, which Lambda sends to
//! CloudWatch Logs.

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging at `level`. Dependencies log only at WARN and above: the SDK and the
/// HTTP client may log headers and bodies at lower levels.
pub fn init(level: Level) {
    init_to(level, std::io::stdout);
}

/// Like [`init`], but writes to `writer` instead of standard output.
pub fn init_to(level: Level, writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let ours = Targets::new()
        .with_default(Level::WARN.min(level))
        .with_target("webhook_endpoints", level)
        .with_target("api", level)
        .with_target("deliver", level)
        // The table's emulator warns about each failed condition, which is normal here.
        .with_target("dynoxide", Level::ERROR);
    tracing_subscriber::registry()
        .with(ours)
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(writer)
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false)
                .with_target(false),
        )
        .init();
}
