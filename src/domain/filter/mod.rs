//! Filters: which events an endpoint gets, judged by their data. The syntax is that of
//! Amazon EventBridge's event patterns.
//!
//! A customer writes the filter and whoever publishes the data, so neither is trusted: a
//! filter is small and hardly nested, and judging it takes at most [`judge::MOST_STEPS`]
//! steps. The data is parsed only where a filter looks, and no part of it twice, however
//! many filters an event meets.
//!
//! Crates for this exist, but they compile thousands of patterns into one automaton, in
//! tens of thousands of lines. Here each event meets at most a hundred, read again from
//! the table, and a wrong filter has to be refused with its place.

mod data;
mod decimal;
mod judge;
mod parse;
mod pattern;
mod wildcard;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod properties;

use std::sync::Arc;

pub use data::Data;
use judge::Judge;
use pattern::Pattern;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::json::nesting;
use super::validation::FieldError;

/// Longest filter, in bytes and without white space between its parts. Each event reads
/// the filters of all endpoints of its app, so size is money.
pub const MAX_FILTER_BYTES: usize = 4 * 1024;

/// What the API calls it.
const FIELD: &str = "filter";

/// How deep a filter may be nested, lists and operators included.
const MAX_NESTING: usize = 20;

/// A filter as text. It is compiled only where an event is held against it, because
/// endpoints are read more often than that. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Arc<str>);

/// A filter that events can be held against.
#[derive(Debug, Clone)]
pub struct Matcher(Pattern);

impl Filter {
    /// Reads a filter from JSON that is sound.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place below `filter`.
    pub fn parse(json: &str) -> Result<Self, Vec<FieldError>> {
        let refused = |message| Err(vec![FieldError::new(FIELD, message)]);
        let text = compact(json);
        if text.len() > MAX_FILTER_BYTES {
            return refused("must be at most 4,096 bytes");
        }
        if nesting(&text) > MAX_NESTING {
            return refused("must be nested at most 20 deep");
        }
        parse::pattern(FIELD, &text)?;
        Ok(Self(text.into()))
    }

    /// A filter that was parsed before.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The filter as JSON, without white space between its parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes it ready for events.
    ///
    /// # Errors
    /// What is wrong with it. Nothing is, unless somebody edited it where it is stored.
    pub fn compile(&self) -> Result<Matcher, Vec<FieldError>> {
        parse::pattern(FIELD, &self.0).map(Matcher)
    }
}

/// As the JSON that it is.
impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(&self.0) {
            Ok(json) => json.serialize(serializer),
            Err(_) => self.0.serialize(serializer),
        }
    }
}

impl Matcher {
    /// Whether it lets an event with this data through.
    ///
    /// If that takes too many steps, it does: an event too many is better than one too
    /// few.
    #[must_use]
    pub fn matches(&self, data: &Data<'_>) -> bool {
        Judge::of(data).matches(&self.0).unwrap_or(true)
    }

    /// The place in the filter of the first field that does not match, or `None` if it
    /// matches.
    #[must_use]
    pub fn failed_at(&self, data: &Data<'_>) -> Option<String> {
        if self.matches(data) {
            return None;
        }
        let path = Judge::of(data).explain(&self.0);
        let path = std::iter::once(FIELD).chain(path);
        Some(path.collect::<Vec<_>>().join("."))
    }
}

/// JSON without the white space between its parts.
fn compact(json: &str) -> String {
    let (mut in_string, mut is_escaped) = (false, false);
    let is_kept = |c: &char| {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = in_string,
            '"' => in_string = !in_string,
            _ => {}
        }
        in_string || !matches!(c, ' ' | '\t' | '\r' | '\n')
    };
    json.chars().filter(is_kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_between_parts_is_dropped() {
        let json = " { \"a b\\\"  \" :\r\n[ \"\\\\\" , \"x\ty\" ,\t1 ] } ";
        let expected = "{\"a b\\\"  \":[\"\\\\\",\"x\ty\",1]}";
        assert_eq!(compact(json), expected);
    }

    #[test]
    fn filters_are_limited_in_size_and_depth() {
        let of_bytes = |bytes: usize| {
            let frame = r#"{"a":[""]}"#.len();
            format!(r#"  {{"a": ["{}"]}}"#, "x".repeat(bytes - frame))
        };
        assert_eq!(Filter::parse(&of_bytes(4096)).unwrap().as_str().len(), 4096);
        let of_depth = |depth: usize| {
            let (open, close) = (r#"{"a":"#.repeat(depth - 1), "}".repeat(depth - 1));
            format!("{open}[1]{close}")
        };
        assert!(Filter::parse(&of_depth(20)).is_ok());
        for (wrong, message) in [
            (of_bytes(4097), "must be at most 4,096 bytes"),
            (of_depth(21), "must be nested at most 20 deep"),
            ("[".repeat(4000), "must be nested at most 20 deep"),
        ] {
            let errors = Filter::parse(&wrong).unwrap_err();
            assert_eq!(errors, [FieldError::new("filter", message)]);
        }
    }

    #[test]
    fn the_first_field_that_fails_is_told() {
        for (filter, data, failed) in [
            (r#"{"a":[1]}"#, r#"{"a":1}"#, None),
            (r#"{"a":[1],"b":[2]}"#, r#"{"a":1,"b":1}"#, Some("filter.b")),
            (r#"{"a":[1]}"#, "{}", Some("filter.a")),
            (r#"{"a":[1]}"#, "1", Some("filter.a")),
            (
                r#"{"a":{"b":[1],"c":[2]}}"#,
                r#"{"a":{"b":1}}"#,
                Some("filter.a.c"),
            ),
            (
                r#"{"a":{"b":{"c":[1]}}}"#,
                r#"{"a":[{"b":{"c":2}}]}"#,
                Some("filter.a.b.c"),
            ),
            // No element has both.
            (
                r#"{"a":{"b":[1],"c":[2]}}"#,
                r#"{"a":[{"b":1},{"c":2}]}"#,
                Some("filter.a"),
            ),
            (
                r#"{"a":{"$or":[{"b":[1]},{"c":[2]}]}}"#,
                r#"{"a":{"b":2,"c":1}}"#,
                Some("filter.a.$or"),
            ),
        ] {
            let matcher = Filter::parse(filter).unwrap().compile().unwrap();
            let found = matcher.failed_at(&Data::of(data));
            assert_eq!(found.as_deref(), failed, "{filter} {data}");
        }
    }
}
