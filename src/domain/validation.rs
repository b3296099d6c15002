//! Validation errors of a request.

use std::borrow::Cow;

use serde::Serialize;

/// An error in one field of a request, with a message for the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field as the caller knows it, e.g. `url`, `events[3]` or `limit`.
    pub field: String,
    /// What the value must be, e.g. `must be at most 128 bytes`.
    pub message: Cow<'static, str>,
}

impl FieldError {
    /// Creates an error for `field`.
    pub fn new(field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}
