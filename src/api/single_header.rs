//! Headers that a request may contain only once.

use axum::http::{HeaderMap, HeaderName};

/// The header is repeated or contains something other than visible ASCII.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotSingle;

/// The value of a header, if the request has it.
///
/// API Gateway's HTTP APIs join repeated headers with commas, so there a repeated header looks like
/// a single one with a comma. So the formats parsed from it must not allow commas.
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
