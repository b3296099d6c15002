//! Query parameters, read one by one, so that everything that is wrong with a
//! request is reported at once.

use super::error::ApiError;
use crate::domain::validation::FieldError;

/// The parameters of a query, each of which may be given once.
pub(super) struct QueryParameters<'a> {
    pairs: &'a [(String, String)],
    faults: Vec<FieldError>,
}

impl<'a> QueryParameters<'a> {
    pub(super) fn new(pairs: &'a [(String, String)]) -> Self {
        Self {
            pairs,
            faults: Vec::new(),
        }
    }

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
