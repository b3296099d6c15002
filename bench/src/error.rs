//! The error of every measurement.

/// Anything that keeps a measurement from being made.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
