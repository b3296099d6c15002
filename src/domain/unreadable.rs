//! Queue messages that can't be parsed.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::error::Category;

/// A queue message can't be parsed. The error quotes nothing of the message, which may have
/// customers' data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message cannot be read: {what}")]
pub struct Unreadable {
    /// The kind of error, for metrics.
    pub flaw: Flaw,
    pub(super) what: Cow<'static, str>,
}

/// Why a message can't be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It is not JSON.
    NotJson,
    /// Its kind is missing or unknown.
    Kind,
    /// A field is missing, invalid or repeated.
    Field,
    /// An event's type is not a valid event type.
    EventType,
    /// An event is too large to be stored.
    Size,
    /// An event's data is nested too deeply.
    Nesting,
}

impl Flaw {
    /// The name used in logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotJson => "NOT_JSON",
            Self::Kind => "KIND",
            Self::Field => "FIELD",
            Self::EventType => "EVENT_TYPE",
            Self::Size => "SIZE",
            Self::Nesting => "NESTING",
        }
    }
}

impl Unreadable {
    pub(super) fn new(flaw: Flaw, what: impl Into<Cow<'static, str>>) -> Self {
        let what = what.into();
        Self { flaw, what }
    }
}

/// Parses JSON. Serde's own messages may quote the text, so they are replaced by the position.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|error| {
        let (flaw, what) = match error.classify() {
            Category::Data => (Flaw::Field, "a field is missing, wrong or repeated"),
            _ => (Flaw::NotJson, "not JSON"),
        };
        let (line, column) = (error.line(), error.column());
        Unreadable::new(flaw, format!("{what} at line {line}, column {column}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_tell_json_of_the_wrong_form_from_other_text() {
        for (text, flaw) in [
            ("[1, true]", Flaw::Field),
            ("[1]", Flaw::Field),
            ("[1, 2", Flaw::NotJson),
            ("[1, 2] 3", Flaw::NotJson),
            ("", Flaw::NotJson),
        ] {
            let error = parse::<[u8; 2]>(text).unwrap_err();
            assert_eq!(error.flaw, flaw, "{text}");
        }
    }
}
