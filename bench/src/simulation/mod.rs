//! A simulation of the deployed form, in virtual time: what an operator has to know to
//! choose the concurrencies of both lanes, and what the quotas of AWS allow.
//! docs/concurrency.md and docs/capacity.md say what it assumes.

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

/// What to simulate.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The highest load, in events a second: 10, 100, 1,000 or 10,000.
    #[arg(long, default_value_t = 10_000)]
    most: u32,
    /// The median of what a healthy receiver takes, in milliseconds.
    #[arg(long, default_value_t = 50)]
    receiver: u64,
    /// Print only what the quotas of AWS allow, up to 100,000 events a second.
    #[arg(long)]
    capacity: bool,
}

/// Prints all tables.
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
