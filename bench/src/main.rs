//! What the functions cost. `bench/run` builds what this needs and runs all of it.
#![expect(clippy::print_stdout, reason = "its report is what it is for")]

mod function;
mod growth;
mod meter;
mod processes;
mod receiver;
mod requests;
mod stage;
mod tape;
mod throughput;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;
use tracing::Level;

use function::Binaries;
use stage::Fault;

/// Measures, and prints tables in Markdown.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Cold starts of the functions, beside one that does nothing.
    ColdStarts {
        #[command(flatten)]
        binaries: Binaries,
    },
    /// Size and peak memory of the functions.
    Memory {
        #[command(flatten)]
        binaries: Binaries,
    },
    /// CPU time, allocations, AWS calls and units of one warm invocation.
    Requests {
        /// Invocations of each kind.
        #[arg(long, default_value_t = 2_000)]
        times: u32,
    },
    /// Deliveries a second, beside a bare loop that signs and posts.
    Throughput,
    /// Fan-outs to 1, 10 and 100 endpoints.
    FanOut,
    /// Pages of long histories.
    History {
        /// Deliveries of the longest history, from 100 to 1,000,000.
        #[arg(long, default_value_t = 1_000_000)]
        most: usize,
    },
    /// What deliveries are sent to; the others start it.
    #[command(hide = true)]
    Receiver,
}

fn main() -> Result<(), Fault> {
    let arguments = Arguments::parse();
    // Lines are made as in a function, and then dropped.
    webhook_endpoints::telemetry::init_to(Level::INFO, std::io::sink);
    let mut runtime = match arguments.command {
        // What fills the table, and the table.
        Command::History { .. } => Builder::new_multi_thread(),
        // As in the functions.
        _ => Builder::new_current_thread(),
    };
    runtime
        .enable_all()
        .build()?
        .block_on(run(arguments.command))
}

async fn run(command: Command) -> Result<(), Fault> {
    match command {
        Command::ColdStarts { binaries } => processes::cold_starts(&binaries).await,
        Command::Memory { binaries } => processes::memory(&binaries).await,
        Command::Requests { times } => requests::run(times).await,
        Command::Throughput => throughput::run().await,
        Command::History { most } => growth::histories(most).await,
        Command::FanOut => growth::fan_outs().await,
        Command::Receiver => receiver::serve().await,
    }
}
