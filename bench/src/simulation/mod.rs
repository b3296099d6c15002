//! A simulation of a deployment, in virtual time. It shows operators which concurrency to
//! choose for each lane, and what AWS's quotas allow. docs/concurrency.md and
//! docs/capacity.md list its assumptions.

mod agenda;
mod capacity;
mod compared;
mod cost;
mod flow;
mod handler;
mod limits;
mod loads;
mod model;
mod pollers;
mod queue;
mod receivers;
mod report;
mod scenario;
mod world;

use std::time::Duration;

use clap::Args;

use crate::error::BoxError;
use model::Model;

/// The options of the subcommand.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The highest load, in events per second: 10, 100, 1,000 or 10,000.
    #[arg(long, default_value_t = 10_000)]
    most: u32,
    /// The median response time of a healthy receiver, in milliseconds.
    #[arg(long, default_value_t = 50)]
    receiver: u64,
    /// Print only what AWS's quotas allow, up to 100,000 events per second.
    #[arg(long)]
    capacity: bool,
}

/// Runs the simulation and prints its tables.
pub(crate) fn run(options: &Options) -> Result<(), BoxError> {
    let model = Model::of_template(Duration::from_millis(options.receiver))?;
    if options.capacity {
        print!("{}", capacity::tables(&model)?);
        return Ok(());
    }
    let recommended = loads::least(&model, options.most)?;
    println!();
    loads::scenarios(&model, &recommended)?;
    println!();
    cost::of_hanging(&model)?;
    println!();
    compared::one_queue(&model)?;
    println!();
    compared::benchmark(&model)
}
