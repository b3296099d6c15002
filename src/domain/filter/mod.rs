//! Filters select the events that an endpoint gets by their data. The syntax is that of
//! Amazon EventBridge's event patterns.
//!
//! A customer writes the filter and a publisher writes the data, so neither is trusted. A
//! filter is small and its nesting is limited, and evaluating it takes at most
//! [`evaluate::MAX_STEPS`] steps. All filters that an event is matched against share
//! [`MAX_STEPS_PER_EVENT`], so that the hundred filters of an app can't hold a function for
//! long. Data is parsed lazily, only where a filter looks, and each part at most once for all
//! of them.
//!
//! Existing crates compile thousands of patterns into one automaton, in tens of thousands of
//! lines. Here an event is matched against at most a hundred filters, which are read from the
//! table each time, and an invalid filter has to be rejected with the place of each error.

mod data;
mod decimal;
mod evaluate;
mod parse;
mod pattern;
mod wildcard;

#[cfg(test)]
mod conformance;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
mod properties;

use std::cell::Cell;
use std::sync::Arc;

use data::Part;
use evaluate::{Evaluation, MAX_STEPS};
use pattern::Pattern;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::json::nesting;
use super::validation::FieldError;

/// Longest filter, in bytes, without white space between tokens. Every event reads all of
/// its app's endpoints with their filters, and DynamoDB charges reads by size.
pub const MAX_FILTER_BYTES: usize = 4 * 1024;

/// The field's name in the API, which every error path begins with.
const FIELD: &str = "filter";

/// Maximum nesting depth of a filter, counting lists and operators. The parser recurses, so
/// this bounds its stack.
const MAX_NESTING: usize = 20;

/// Maximum steps of all filters that one event is matched against. A hundred ordinary filters
/// on the largest event take less than half of it, and it takes about 0.1 s.
const MAX_STEPS_PER_EVENT: usize = 2_000_000;

/// An event's data, with the steps that filters may still take on it.
#[derive(Debug)]
pub struct Data<'a> {
    root: Part<'a>,
    steps_left: Cell<usize>,
}

impl<'a> Data<'a> {
    /// Wraps valid JSON.
    #[must_use]
    pub fn of(json: &'a str) -> Self {
        Self {
            root: Part::of(json),
            steps_left: Cell::new(MAX_STEPS_PER_EVENT),
        }
    }

    /// Runs an evaluation, and takes its steps off those that the other filters have left.
    fn evaluate<'p, T>(&self, evaluation: impl FnOnce(&mut Evaluation<'_, 'a, 'p>) -> T) -> T {
        let all = self.steps_left.get();
        let allowed = all.min(MAX_STEPS);
        let mut state = Evaluation::within(allowed, &self.root);
        let outcome = evaluation(&mut state);
        self.steps_left.set(all - allowed + state.steps_left());
        outcome
    }
}

/// A valid filter as JSON text. Cheap to clone.
///
/// It is compiled only when an event is matched against it, because endpoints are read far
/// more often than that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Arc<str>);

/// A compiled filter.
#[derive(Debug, Clone)]
pub struct Matcher(Pattern);

impl Filter {
    /// Parses a filter from valid JSON.
    ///
    /// # Errors
    /// All errors, each with its path, such as `filter.price[0].numeric`.
    pub fn parse(json: &str) -> Result<Self, Vec<FieldError>> {
        let whole = |message| Err(vec![FieldError::new(FIELD, message)]);
        let text = compact(json);
        if text.len() > MAX_FILTER_BYTES {
            return whole("must be at most 4,096 bytes");
        }
        // Checked before parsing, which recurses.
        if nesting(&text) > MAX_NESTING {
            return whole("must be nested at most 20 deep");
        }
        parse::pattern(FIELD, &text)?;
        Ok(Self(text.into()))
    }

    /// Wraps a stored filter, which was valid when it was stored.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The filter as JSON, without white space between tokens.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compiles the filter.
    ///
    /// # Errors
    /// As [`Self::parse`], but only if somebody edited the stored filter by hand.
    pub fn compile(&self) -> Result<Matcher, Vec<FieldError>> {
        parse::pattern(FIELD, &self.0).map(Matcher)
    }
}

/// Serializes the filter as nested JSON, not as a string.
impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(&self.0) {
            Ok(json) => json.serialize(serializer),
            Err(_) => self.0.serialize(serializer),
        }
    }
}

impl Matcher {
    /// Whether an event with this data passes the filter.
    ///
    /// If the evaluation takes too many steps, the event passes: a receiver can ignore an
    /// event that it did not want, but it can't ask for one that it never got.
    #[must_use]
    pub fn matches(&self, data: &Data<'_>) -> bool {
        data.evaluate(|evaluation| evaluation.matches(&self.0))
            .unwrap_or(true)
    }

    /// The path in the filter of the first field that does not match. `None` if the data
    /// passes.
    #[must_use]
    pub fn failed_at(&self, data: &Data<'_>) -> Option<String> {
        if self.matches(data) {
            return None;
        }
        let path = data.evaluate(|evaluation| evaluation.explain(&self.0));
        let path = std::iter::once(FIELD).chain(path);
        Some(path.collect::<Vec<_>>().join("."))
    }
}

/// Removes the white space between tokens. Strings are kept as they are.
fn compact(json: &str) -> String {
    let (mut in_string, mut is_escaped) = (false, false);
    let is_kept = |c: &char| {
        match c {
            _ if is_escaped => is_escaped = false,
            // The next character belongs to an escape: `\"` does not end the string.
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
    fn white_space_between_tokens_is_removed() {
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
    fn filters_of_an_event_share_its_steps() {
        let costly = vec![r#"{"a":[1]}"#; 400].join(",");
        let costly = Filter::parse(&format!(r#"{{"$or":[{costly}]}}"#)).unwrap();
        let costly = costly.compile().unwrap();
        let cheap = Filter::parse(r#"{"b":[1]}"#).unwrap().compile().unwrap();
        let data = format!(r#"{{"a":[{}0],"b":2}}"#, "0,".repeat(10_000));
        let data = Data::of(&data);
        for _ in 1..MAX_STEPS_PER_EVENT / MAX_STEPS {
            assert!(costly.matches(&data));
            assert!(!cheap.matches(&data));
        }
        // The cheap filter took a few steps of the last share, so nothing is left after it.
        assert!(costly.matches(&data));
        assert!(cheap.matches(&data));
    }

    #[test]
    fn first_field_that_fails_is_reported() {
        for (filter, data, failed) in [
            (r#"{"a":[1]}"#, r#"{"a":1}"#, None),
            (r#"{"a":[1],"b":[2]}"#, r#"{"a":1,"b":1}"#, Some("filter.b")),
            (r#"{"a":[1]}"#, "{}", Some("filter.a")),
            (r#"{"a":[1]}"#, "1", Some("filter.a")),
            // An empty list counts as absent.
            (r#"{"a":{"b":[1]}}"#, r#"{"a":[]}"#, Some("filter.a.b")),
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
            // Each element matches one of the fields, but none matches both.
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
