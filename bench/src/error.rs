//! The error type of the benchmarks.

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
