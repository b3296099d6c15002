//! Headers that a request may have once.

use axum::http::{HeaderMap, HeaderName};

/// A header that is repeated, or is not visible ASCII.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotSingle;

/// The value of a header, if there is one.
///
/// HTTP APIs join repeated headers by commas, so a repeated one looks like a single one
/// with a comma there. What is parsed from this value must not contain any.
pub(super) fn single_header(
    headers: &HeaderMap,
    name: HeaderName,
) -> Result<Option<&str>, NotSingle> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    match values.next() {
        None => first.to_str().map(Some).map_err(|_| NotSingle),
        Some(_) => Err(NotSingle),
    }
}
