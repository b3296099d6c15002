//! What the functions cost. `bench/run` builds what this needs and runs all of it.
#![expect(clippy::print_stdout, reason = "its report is what it is for")]

mod meter;
mod receiver;
mod requests;
mod stage;
mod tape;
mod throughput;

use clap::{Parser, Subcommand};
use tracing::Level;

use stage::Fault;

/// Measures, and prints tables in Markdown.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// CPU time, allocations, AWS calls and units of one warm invocation.
    Requests,
    /// Deliveries a second, beside a bare loop that signs and posts.
    Throughput,
    /// What deliveries are sent to; the others start it.
    #[command(hide = true)]
    Receiver,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fault> {
    let arguments = Arguments::parse();
    // Lines are made as in a function, and then dropped.
    webhook_endpoints::telemetry::init_to(Level::INFO, std::io::sink);
    match arguments.command {
        Command::Requests => requests::run().await,
        Command::Throughput => throughput::run().await,
        Command::Receiver => receiver::serve().await,
    }
}
