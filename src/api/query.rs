//! Query parameters, read one by one, so that everything that is wrong with a
//! request is reported at once.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use super::Api;
use super::error::ApiError;
use crate::domain::validation::FieldError;

/// How many items a page has, unless the caller says.
pub(super) const DEFAULT_LIMIT: usize = 25;

const MAX_LIMIT: usize = 100;

/// Reads how many items a page is to have.
pub(super) fn parse_limit(text: &str) -> Result<usize, &'static str> {
    // The parser would also accept a leading plus sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(limit) if digits && (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        _ => Err("must be a whole number from 1 to 100"),
    }
}

/// The parameters of a query, each of which may be given once. Those without a value
/// count as absent, and unknown ones are ignored.
pub(super) struct QueryParameters {
    pairs: Vec<(String, String)>,
    faults: Vec<FieldError>,
}

impl FromRequestParts<Api> for QueryParameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, api).await;
        let Query(mut pairs) =
            query.map_err(|_| ApiError::invalid("query", "must be percent-encoded UTF-8"))?;
        pairs.retain(|(_, value)| !value.is_empty());
        Ok(Self {
            pairs,
            faults: Vec::new(),
        })
    }
}

impl QueryParameters {
    /// The parameter of this name, unless it is missing or wrong.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let mut values = self.pairs.iter().filter(|(key, _)| key == name);
        let (_, first) = values.next()?;
        let parsed = match values.next() {
            None => parse(first),
            Some(_) => Err("must appear only once"),
        };
        parsed
            .map_err(|message| self.faults.push(FieldError::new(name, message)))
            .ok()
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// Whether nothing is wrong so far, except perhaps with `name`.
    pub(super) fn is_sound_except(&self, name: &str) -> bool {
        self.faults.iter().all(|fault| fault.field == name)
    }

    /// # Errors
    /// Everything that is wrong with the query.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(ApiError::Validation(self.faults))
        }
    }
}
