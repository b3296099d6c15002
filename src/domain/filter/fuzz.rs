//! Fuzz target: the first line of the input is a filter, the rest is the data of an event.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::data::Part;
use super::evaluate::{Evaluation, MAX_STEPS, TooManySteps};
use super::{Data, Filter, MAX_FILTER_BYTES};
use crate::domain::event::MAX_NESTING;
use crate::domain::fuzz::must;
use crate::domain::json::nesting;

pub(crate) fn run(text: &str) {
    let (given, data) = text.split_once('\n').unwrap_or((text, "{}"));
    let is_sound = |json: &str| serde_json::from_str::<&RawValue>(json).is_ok();
    if !is_sound(given) || !is_sound(data) || nesting(data) > MAX_NESTING {
        return;
    }
    let filter = match Filter::parse(given) {
        Ok(filter) => filter,
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(error.field.starts_with("filter") && !error.message.is_empty());
            }
            return;
        }
    };
    assert!(filter.as_str().len() <= MAX_FILTER_BYTES);
    assert_eq!(Filter::parse(filter.as_str()).as_ref(), Ok(&filter));
    assert_eq!(must(serde_json::to_string(&filter)), filter.as_str());
    let matcher = must(filter.compile());
    let matches = matcher.matches(&Data::of(data));
    let failed_at = matcher.failed_at(&Data::of(data));
    assert_eq!(matches, failed_at.is_none());
    assert!(failed_at.is_none_or(|place| place.starts_with("filter")));
    let root = Part::of(data);
    let mut evaluation = Evaluation::within(MAX_STEPS, &root);
    let outcome = evaluation.matches(&matcher.0);
    match outcome {
        Ok(matched) => assert_eq!(matched, matches),
        Err(TooManySteps) => assert!(matches && evaluation.steps_left() == 0),
    }
    let values = [filter.as_str(), data].map(exact);
    if let ([Some(filter), Some(data)], Ok(matches)) = (&values, outcome) {
        assert_eq!(
            matches,
            Model { root: data }.object(filter, Some(data), &[])
        );
    }
}

/// Parses JSON whose `Value` loses nothing: numbers are small integers, and no name is
/// repeated.
fn exact(json: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(json).ok()?;
    let names = json.bytes().filter(|byte| *byte == b':').count();
    (is_exact(&value) && names == count_of_names(&value)).then_some(value)
}

fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_i64().is_some_and(|n| n.unsigned_abs() < 1 << 53),
        Value::Array(values) => values.iter().all(is_exact),
        Value::Object(fields) => fields.values().all(is_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// Counts the names, plus the colons in strings.
fn count_of_names(value: &Value) -> usize {
    let colons = |text: &str| text.bytes().filter(|byte| *byte == b':').count();
    match value {
        Value::String(text) => colons(text),
        Value::Array(values) => values.iter().map(count_of_names).sum(),
        Value::Object(fields) => {
            let of_fields = fields.iter();
            of_fields
                .map(|(name, value)| 1 + colons(name) + count_of_names(value))
                .sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// Evaluates a valid filter in the plainest way: without a compiled pattern, sets or a budget.
struct Model<'a> {
    root: &'a Value,
}

impl Model<'_> {
    fn object(&self, pattern: &Value, data: Option<&Value>, path: &[&str]) -> bool {
        if let Some(Value::Array(elements)) = data
            && !elements.is_empty()
        {
            let mut elements = elements.iter();
            return elements.any(|element| self.object(pattern, Some(element), path));
        }
        let mut fields = pattern.as_object().into_iter().flatten();
        fields.all(|(name, expected)| match expected {
            Value::Array(patterns) if name == "$or" => {
                let mut patterns = patterns.iter();
                patterns.any(|pattern| self.object(pattern, data, path))
            }
            expected => {
                let path = [path, &[name.as_str()]].concat();
                let found = data.and_then(|data| data.get(name));
                match expected {
                    Value::Array(tests) => self.any_of(tests, found, &path),
                    below => self.object(below, found, &path),
                }
            }
        })
    }

    fn any_of(&self, tests: &[Value], found: Option<&Value>, path: &[&str]) -> bool {
        let leaves = found.map(leaves).unwrap_or_default();
        tests.iter().any(|test| match test.get("exists") {
            Some(Value::Bool(false)) => !has_leaf(self.root, path),
            _ => leaves.iter().any(|leaf| holds(test, leaf)),
        })
    }
}

/// The scalars in a value and in its nested lists, but not in its objects.
fn leaves(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().flat_map(leaves).collect(),
        Value::Object(_) => Vec::new(),
        leaf => vec![leaf],
    }
}

fn has_leaf(value: &Value, path: &[&str]) -> bool {
    match (value, path) {
        (Value::Array(values), _) => values.iter().any(|value| has_leaf(value, path)),
        (Value::Object(fields), [name, rest @ ..]) => {
            fields.get(*name).is_some_and(|value| has_leaf(value, rest))
        }
        (Value::Object(_), []) | (_, [_, ..]) => false,
        (_, []) => true,
    }
}

fn holds(test: &Value, leaf: &Value) -> bool {
    let Value::Object(operator) = test else {
        return test == leaf;
    };
    let Some((name, argument)) = operator.iter().next() else {
        return false;
    };
    match (name.as_str(), leaf) {
        ("exists", _) => true,
        ("anything-but", _) => !is_among(argument, leaf),
        ("numeric", Value::Number(number)) => in_range(argument, number.as_i64()),
        (_, Value::String(text)) => holds_for_text(name, argument, text),
        _ => false,
    }
}

/// Whether `anything-but` excludes a value.
fn is_among(argument: &Value, leaf: &Value) -> bool {
    match argument {
        Value::Object(operator) => operator.iter().any(|(name, argument)| {
            let one = std::slice::from_ref(argument);
            let arguments = argument.as_array().map_or(one, Vec::as_slice);
            let holds = |argument: &Value| {
                holds(
                    &Value::Object(Map::from_iter([(name.clone(), argument.clone())])),
                    leaf,
                )
            };
            arguments.iter().any(holds)
        }),
        Value::Array(values) => values.contains(leaf),
        value => value == leaf,
    }
}

fn in_range(range: &Value, number: Option<i64>) -> bool {
    let parts = range.as_array().map(Vec::as_slice).unwrap_or_default();
    parts.chunks(2).all(|pair| {
        let [operator, bound] = pair else {
            return false;
        };
        let (Some(number), Some(bound)) = (number, bound.as_i64()) else {
            return false;
        };
        match operator.as_str().unwrap_or_default() {
            ">" => number > bound,
            ">=" => number >= bound,
            "<" => number < bound,
            "<=" => number <= bound,
            _ => number == bound,
        }
    })
}

fn holds_for_text(name: &str, argument: &Value, text: &str) -> bool {
    if let Some(Value::String(given)) = argument.get("equals-ignore-case") {
        let [text, given] = [text, given].map(lower_case);
        return match name {
            "prefix" => text.starts_with(&given),
            _ => text.ends_with(&given),
        };
    }
    let given = argument.as_str().unwrap_or_default();
    match name {
        "prefix" => text.starts_with(given),
        "suffix" => text.ends_with(given),
        "equals-ignore-case" => lower_case(text) == lower_case(given),
        "wildcard" => is_like(given.as_bytes(), text.as_bytes()),
        "cidr" => {
            let address: Option<IpAddr> = text.parse().ok();
            let network: IpNet = must(given.parse());
            address.is_some_and(|address| network.contains(&address))
        }
        _ => false,
    }
}

/// Converts each character on its own. `str::to_lowercase` treats a final sigma differently.
fn lower_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether a wildcard matches, by dynamic programming: `ends[i]` is whether the part of the
/// wildcard that was read matches the first `i` bytes.
fn is_like(wildcard: &[u8], text: &[u8]) -> bool {
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    let mut bytes = wildcard.iter();
    while let Some(byte) = bytes.next() {
        let literal = match byte {
            b'*' => {
                let first = ends.iter().position(|is_end| *is_end);
                let first = first.unwrap_or(ends.len());
                ends[first..].fill(true);
                continue;
            }
            b'\\' => bytes.next(),
            byte => Some(byte),
        };
        ends = std::iter::once(false)
            .chain(
                text.iter()
                    .zip(&ends)
                    .map(|(byte, is_end)| *is_end && Some(byte) == literal),
            )
            .collect();
    }
    ends.last() == Some(&true)
}
