//! Fuzz targets of the domain. See [`crate::fuzz`].

pub(crate) mod egress_rules;
pub(crate) mod json;
pub(crate) mod message;
pub(crate) mod name;
pub(crate) mod sent_headers;
pub(crate) mod url;

use std::fmt::Debug;

/// Unwraps a result that has to be `Ok`.
#[track_caller]
pub(crate) fn must<T, E: Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error:?}"),
    }
}
