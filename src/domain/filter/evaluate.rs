//! Evaluates a pattern against data.
//!
//! The semantics are EventBridge's, which treats an event as a set of paths with values:
//!
//! - A list matches if any of its elements does.
//! - Fields below a list have to match within the same element.
//! - A field is absent if no value has its path, in any element of the lists on the path.
//!   Objects and empty lists are not values.

use std::collections::HashMap;

use super::data::{Node, Part};
use super::pattern::{AnyOf, Field, Pattern};

/// Maximum steps that one filter may take: comparisons, and values visited. It is enough for
/// a filter with five fields on a list of thousands of objects, and takes a few milliseconds.
pub(super) const MAX_STEPS: usize = 100_000;

/// A comparison with a string counts as one step, and one more per this many bytes: a wildcard
/// may search all of it.
const BYTES_PER_STEP: usize = 32;

/// The evaluation took more steps than it may.
#[derive(Debug)]
pub(super) struct TooManySteps;

type Outcome = Result<bool, TooManySteps>;

/// The evaluation of one pattern against one event's data.
pub(super) struct Evaluation<'a, 'd, 'p> {
    root: &'a Part<'d>,
    /// Steps that it may still take.
    steps_left: usize,
    /// The names of the fields from the root down to the current one.
    path: Vec<&'p str>,
    /// Which fields are known to be absent, or not. The key is the address of the pattern's
    /// comparison, which is unique to a path in the pattern and stable while it is borrowed.
    absent: HashMap<*const AnyOf, bool>,
}

impl<'a, 'd, 'p> Evaluation<'a, 'd, 'p> {
    /// An evaluation that may take `steps`.
    pub(super) fn within(steps: usize, root: &'a Part<'d>) -> Self {
        Self {
            root,
            steps_left: steps,
            path: Vec::new(),
            absent: HashMap::new(),
        }
    }

    /// Steps that are left. None, once it has returned [`TooManySteps`].
    pub(super) fn steps_left(&self) -> usize {
        self.steps_left
    }

    pub(super) fn matches(&mut self, pattern: &'p Pattern) -> Outcome {
        self.object(pattern, Some(self.root))
    }

    /// The path of the first field that does not match. Call it only for a pattern that does
    /// not match. The path ends early at a list with several elements, because each of them
    /// may fail on another field.
    pub(super) fn explain(&mut self, pattern: &'p Pattern) -> Vec<&'p str> {
        let (mut pattern, mut data) = (pattern, Some(self.root));
        let mut path = Vec::new();
        loop {
            while let Some(Node::List(elements)) = data.map(Part::node) {
                // A list of one element matches like the element itself.
                match &**elements {
                    [only] => data = Some(only),
                    [] => data = None,
                    _ => return path,
                }
            }
            let mut fields = pattern.0.iter();
            let failing = fields.find(|field| matches!(self.field(field, data), Ok(false)));
            match failing {
                Some(Field::Value(name, _)) => {
                    path.push(name.as_str());
                    return path;
                }
                Some(Field::Or(_)) => {
                    path.push("$or");
                    return path;
                }
                Some(Field::Object(name, below)) => {
                    path.push(name.as_str());
                    self.path.push(name.as_str());
                    (pattern, data) = (below, data.and_then(|data| data.field(name)));
                }
                None => return path,
            }
        }
    }

    fn step(&mut self, steps: usize) -> Result<(), TooManySteps> {
        let left = self.steps_left.checked_sub(steps);
        self.steps_left = left.unwrap_or_default();
        left.map(|_| ()).ok_or(TooManySteps)
    }

    /// Whether an object matches. An absent value, and any value that is not an object, counts
    /// as an object without fields: it still matches `{"exists": false}`.
    fn object(&mut self, pattern: &'p Pattern, data: Option<&Part<'_>>) -> Outcome {
        self.step(1)?;
        // All fields of the pattern have to match within one element. An empty list is not a
        // value, so it counts as an absent object.
        if let Some(Node::List(elements)) = data.map(Part::node)
            && !elements.is_empty()
        {
            for element in elements {
                if self.object(pattern, Some(element))? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        for field in &pattern.0 {
            if !self.field(field, data)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn field(&mut self, field: &'p Field, data: Option<&Part<'_>>) -> Outcome {
        match field {
            Field::Or(patterns) => {
                for pattern in patterns {
                    if self.object(pattern, data)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Field::Object(name, pattern) => {
                self.path.push(name);
                let outcome = self.object(pattern, data.and_then(|data| data.field(name)));
                self.path.pop();
                outcome
            }
            Field::Value(name, any_of) => {
                self.path.push(name);
                let value = data.and_then(|data| data.field(name));
                let outcome = match value.map_or(Ok(false), |value| self.value(any_of, value)) {
                    // Only if no value matches, because the search starts at the root again.
                    Ok(false) if any_of.absent => self.is_absent(any_of),
                    outcome => outcome,
                };
                self.path.pop();
                outcome
            }
        }
    }

    fn value(&mut self, any_of: &AnyOf, data: &Part<'_>) -> Outcome {
        match data.node() {
            Node::List(elements) => {
                self.step(1)?;
                for element in elements {
                    if self.value(any_of, element)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            value => {
                let bytes = match value {
                    Node::Text(text) => text.len(),
                    _ => 0,
                };
                self.step(any_of.size() * (1 + bytes / BYTES_PER_STEP))?;
                Ok(any_of.matches(value))
            }
        }
    }

    /// Whether no value in all of the data has the current path. The answer does not depend
    /// on the list elements that led here, so it is computed once per field.
    fn is_absent(&mut self, any_of: &AnyOf) -> Outcome {
        let key = std::ptr::from_ref(any_of);
        if let Some(known) = self.absent.get(&key) {
            return Ok(*known);
        }
        let path = self.path.clone();
        let found = self.has_no_value(self.root, &path)?;
        self.absent.insert(key, found);
        Ok(found)
    }

    fn has_no_value(&mut self, data: &Part<'_>, path: &[&str]) -> Outcome {
        self.step(1)?;
        match (data.node(), path) {
            (Node::List(elements), _) => {
                for element in elements {
                    if !self.has_no_value(element, path)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Node::Object(object), [name, rest @ ..]) => match object.field(name) {
                Some(data) => self.has_no_value(data, rest),
                None => Ok(true),
            },
            // The path leads to an object, or goes on below something that is none.
            (Node::Object(_), []) | (_, [_, ..]) => Ok(true),
            (_, []) => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Data, Filter};
    use super::*;

    fn steps(filter: &str, data: &str) -> Option<usize> {
        let filter = Filter::parse(filter).unwrap().compile().unwrap();
        let data = Part::of(data);
        let mut evaluation = Evaluation::within(MAX_STEPS, &data);
        let outcome = evaluation.matches(&filter.0);
        outcome.ok().map(|_| MAX_STEPS - evaluation.steps_left())
    }

    #[test]
    fn long_lists_of_values_take_as_many_steps_as_short_ones() {
        let ids: Vec<_> = (0..300).map(|n| format!(r#""c{n}""#)).collect();
        let long = format!(r#"{{"id":[{}]}}"#, ids.join(","));
        let data = r#"{"id":"c299"}"#;
        assert_eq!(steps(&long, data), steps(r#"{"id":["c299"]}"#, data));
    }

    #[test]
    fn comparisons_take_a_step_for_each_search_of_the_text() {
        let plain = steps(r#"{"a":["x"]}"#, r#"{"a":""}"#).unwrap();
        for (operator, searches) in [
            (r#"{"prefix":"x"}"#, 1),
            (r#"{"wildcard":"*x*y"}"#, 3),
            (r#"{"anything-but":["x","y"]}"#, 1),
            (r#"{"anything-but":{"prefix":["x","y","z"]}}"#, 4),
        ] {
            let filter = format!(r#"{{"a":[{operator}]}}"#);
            let taken = steps(&filter, r#"{"a":""}"#).unwrap();
            assert_eq!(taken, plain + searches, "{operator}");
        }
        let long = format!(r#"{{"a":"{}"}}"#, "y".repeat(100 * BYTES_PER_STEP));
        assert_eq!(steps(r#"{"a":["x"]}"#, &long), Some(plain + 100));
    }

    #[test]
    fn events_pass_when_a_filter_takes_too_many_steps() {
        let numbers = |count| format!(r#"{{"a":[{}0]}}"#, "0,".repeat(count));
        let objects = format!(r#"{{"a":[{}{{}}]}}"#, r#"{"b":0},"#.repeat(60_000));
        let text = format!(r#"{{"a":"{}"}}"#, "a".repeat(390_000));
        let many = |one: &str| vec![one; 3_900 / (one.len() + 1)].join(",");
        let wildcards = many(r#"{"wildcard":"*a*b"}"#);
        for (filter, data) in [
            (r#"{"a":[1]}"#.to_owned(), numbers(199_000)),
            (
                format!(r#"{{"$or":[{}]}}"#, many(r#"{"a":[1]}"#)),
                numbers(10_000),
            ),
            (r#"{"a":{"b":[1],"c":[1]}}"#.to_owned(), objects.clone()),
            (
                r#"{"a":{"c":[{"exists":false}],"b":[1]}}"#.to_owned(),
                objects,
            ),
            (format!(r#"{{"a":[{wildcards}]}}"#), text),
        ] {
            assert_eq!(steps(&filter, &data), None, "{filter:.80}");
            let matcher = Filter::parse(&filter).unwrap().compile().unwrap();
            assert!(matcher.matches(&Data::of(&data)), "{filter}");
        }
    }

    #[test]
    fn ordinary_filters_take_few_steps() {
        let item = r#"{"sku":"a-1","price":12.5,"tags":["new"]}"#;
        let data = format!(
            r#"{{"status":"open","items":[{}]}}"#,
            vec![item; 1_000].join(",")
        );
        let filter = r#"{"status":["open"],"items":{"sku":[{"prefix":"b"}],"price":[{"numeric":[">",20]}]}}"#;
        let taken = steps(filter, &data).unwrap();
        assert!(taken < MAX_STEPS / 10, "{taken}");
    }
}
