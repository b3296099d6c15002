//! Validation errors of a request.

use std::borrow::Cow;

use serde::Serialize;

/// How many characters of a name chosen by the caller an error repeats.
const MAX_NAME_CHARS: usize = 100;

/// An error in one field of a request, with a message for the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The path of the field in the request, e.g. `url`, `events[3]`, `metadata.plan` or `limit`.
    pub field: String,
    /// What the value must be, e.g. `must be at most 128 bytes`.
    pub message: Cow<'static, str>,
}

impl FieldError {
    /// An error in this field.
    pub fn new(field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// Shortens a name that the caller chose. A body can consist of one long name, and the response
/// would contain it twice, in `message` and in `details`.
pub(crate) fn shortened(mut name: String) -> String {
    if let Some((end, _)) = name.char_indices().nth(MAX_NAME_CHARS) {
        name.truncate(end);
        name.push('…');
    }
    name
}
