//! Measures CPU time and allocations.

use std::alloc::System;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The average cost of a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// CPU time of the current thread.
    pub cpu: Duration,
    /// Number of allocations and reallocations, in all threads.
    pub allocations: usize,
    /// Allocated bytes, in all threads.
    pub bytes: usize,
}

/// Runs `work` `times` times and returns the average cost.
pub(crate) async fn measure<E>(
    times: u32,
    mut work: impl AsyncFnMut() -> Result<(), E>,
) -> Result<Cost, E> {
    let region = Region::new(ALLOCATOR);
    let begun = thread_time();
    for _ in 0..times {
        work().await?;
    }
    let cpu = thread_time() - begun;
    let change = region.change();
    let each = |all: usize| all / usize::try_from(times).unwrap_or(1);
    Ok(Cost {
        cpu: cpu / times,
        allocations: each(change.allocations + change.reallocations),
        bytes: each(change.bytes_allocated),
    })
}

/// CPU time of the current thread so far.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
