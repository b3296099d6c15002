//! Why a message of the queue cannot be read.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::error::Category;

/// A message that cannot be read. Says nothing about the body, which belongs to
/// the customer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message cannot be read: {what}")]
pub struct Unreadable {
    /// What is wrong with it.
    pub flaw: Flaw,
    pub(super) what: Cow<'static, str>,
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It is not JSON.
    NotJson,
    /// It has no kind, or one that nothing here knows.
    Kind,
    /// A field is missing, wrong or repeated.
    Field,
    /// The type of an event is none.
    EventType,
    /// An event is too large to be stored.
    Size,
    /// An event is nested too deep.
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

/// Parses JSON, with an error that quotes nothing of it.
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
