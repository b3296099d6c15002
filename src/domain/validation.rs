//! What is wrong with an input, by field.

use serde::Serialize;

/// One fault of an input: the field that has it and a sentence for its author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field as the caller wrote it, e.g. `url`, `events[3]`, `limit`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl FieldError {
    /// A fault of `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}
