//! Query parameters, read one by one. One response reports everything that is wrong with them.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use super::Api;
use super::error::ApiError;
use crate::domain::validation::FieldError;

/// How many items a page has by default.
pub(super) const DEFAULT_LIMIT: usize = 25;

const MAX_LIMIT: usize = 100;

pub(super) fn parse_limit(text: &str) -> Result<usize, &'static str> {
    // `parse` alone would also accept a leading plus sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(limit) if digits && (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        _ => Err("must be a whole number from 1 to 100"),
    }
}

/// The parameters of a query. Each may appear once. A parameter without a value counts as absent,
/// and unknown ones are ignored.
pub(super) struct QueryParameters {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
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
            errors: Vec::new(),
        })
    }
}

impl QueryParameters {
    /// Reads a parameter. `None` if it is absent or invalid. [`Self::finish`] reports the
    /// latter.
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
            .map_err(|message| self.errors.push(FieldError::new(name, message)))
            .ok()
    }

    /// Whether there are no errors so far.
    pub(super) fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether there are no errors so far, except perhaps in `name`.
    pub(super) fn is_valid_except(&self, name: &str) -> bool {
        self.errors.iter().all(|error| error.field == name)
    }

    /// # Errors
    /// [`ApiError::Validation`] with the errors of all parameters.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(ApiError::Validation(self.errors))
        }
    }
}
