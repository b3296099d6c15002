//! Benchmarks of the functions. `bench/run` builds everything and runs them.
#![expect(clippy::print_stdout, reason = "prints reports")]

mod backlog;
mod error;
mod filters;
mod function;
mod growth;
mod isolation;
mod meter;
mod processes;
mod receiver;
mod requests;
mod simulation;
mod stage;
mod tape;
mod throughput;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;
use tracing::Level;

use error::BoxError;
use function::Binaries;

/// Run benchmarks and print tables in Markdown.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Cold starts of the functions, compared with a minimal function.
    ColdStarts {
        #[command(flatten)]
        binaries: Binaries,
    },
    /// Binary size and peak memory of the functions.
    Memory {
        #[command(flatten)]
        binaries: Binaries,
    },
    /// CPU time, allocations, AWS calls and capacity units of a warm invocation.
    Requests {
        /// Number of invocations of each kind.
        #[arg(long, default_value_t = 2_000)]
        times: u32,
    },
    /// Deliveries per second, compared with a bare loop that signs and posts.
    Throughput,
    /// Time from publishing to arrival at a healthy endpoint, beside others that hang.
    Isolation {
        /// Seconds to publish in each scenario.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Measure only the scenarios whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
    },
    /// A deployment simulated in virtual time, from 10 to 10,000 events per second.
    Simulate(simulation::Options),
    /// CPU time of an app's filters for an event.
    Filters,
    /// Fan-outs to 1, 10 and 100 endpoints.
    FanOut,
    /// Pages of long histories.
    History {
        /// Size of the longest history, 100 to 1,000,000 deliveries.
        #[arg(long, default_value_t = 1_000_000)]
        most: usize,
    },
    /// The receiver process, which the other commands start.
    #[command(hide = true)]
    Receiver,
}

fn main() -> Result<(), BoxError> {
    let arguments = Arguments::parse();
    // Format log lines as the functions do, then discard them.
    webhook_endpoints::telemetry::init_to(Level::INFO, std::io::sink);
    let mut runtime = match arguments.command {
        // The emulator shares this process, and filling its table takes long.
        Command::History { .. } | Command::Isolation { .. } => Builder::new_multi_thread(),
        // The functions use one thread, too.
        _ => Builder::new_current_thread(),
    };
    runtime
        .enable_all()
        .build()?
        .block_on(run(arguments.command))
}

async fn run(command: Command) -> Result<(), BoxError> {
    match command {
        Command::ColdStarts { binaries } => processes::cold_starts(&binaries).await,
        Command::Memory { binaries } => processes::memory(&binaries).await,
        Command::Requests { times } => requests::run(times).await,
        Command::Throughput => throughput::run().await,
        Command::Isolation { seconds, only } => isolation::run(seconds, &only).await,
        Command::History { most } => growth::histories(most).await,
        Command::Simulate(options) => simulation::run(&options),
        Command::Filters => filters::run(),
        Command::FanOut => growth::fan_outs().await,
        Command::Receiver => receiver::serve().await,
    }
}
