//! Access to JSON that keeps its exact bytes, and limits on untrusted JSON.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of an object. The values are unparsed and keep their bytes.
#[derive(Debug, Default)]
pub struct Fields {
    /// The values by name. Of a repeated name, the first value.
    pub values: BTreeMap<String, Box<RawValue>>,
    /// Names that occur more than once. Parsers disagree about which of the values counts, so
    /// callers reject objects that have any.
    pub repeated: BTreeSet<String>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = object.next_entry::<String, _>()? {
                    match fields.values.entry(name) {
                        Entry::Vacant(vacant) => {
                            vacant.insert(value);
                        }
                        Entry::Occupied(known) => {
                            fields.repeated.insert(known.key().clone());
                        }
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// The elements of a list, unparsed. `None` if the JSON is not a list, or has more than `most`
/// elements. Reading stops at that number, so a huge list takes no memory.
#[must_use]
pub fn elements(json: &str, most: usize) -> Option<Vec<&RawValue>> {
    struct List {
        most: usize,
    }

    impl<'de> Visitor<'de> for List {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = list.next_element()? {
                if elements.len() == self.most {
                    return Err(A::Error::custom("too many elements"));
                }
                elements.push(element);
            }
            Ok(elements)
        }
    }

    // With a deserializer of our own, because the visitor carries the limit.
    let mut reader = serde_json::Deserializer::from_str(json);
    let elements = reader.deserialize_seq(List { most }).ok()?;
    // Nothing but white space may follow.
    reader.end().ok()?;
    Some(elements)
}

/// Whether this JSON is an object with a field of this name. Also true for objects that serde
/// can't read, such as those with a lone surrogate in a name. Uses constant stack, whatever the
/// nesting.
#[must_use]
pub fn has_field(json: &str, name: &str) -> bool {
    struct Search<'a> {
        name: &'a str,
    }

    impl<'de> Visitor<'de> for Search<'_> {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<bool, A::Error> {
            let mut is_found = false;
            while let Some((name, IgnoredAny)) = object.next_entry::<Cow<'de, str>, _>()? {
                is_found |= name == self.name;
            }
            Ok(is_found)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(json);
    reader.deserialize_map(Search { name }).unwrap_or(true)
}

/// The nesting depth of lists and objects in this JSON, which is 0 for a scalar. Takes linear
/// time and constant stack, so it is safe to call before any recursive parser.
#[must_use]
pub fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            // The next byte belongs to an escape: `\"` does not end the string.
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Whether any object in this JSON repeats a name, or has a name with a lone surrogate.
/// Recurses with the nesting, which the caller has to limit.
#[must_use]
pub fn repeats_a_name(json: &RawValue) -> bool {
    let text = json.get();
    match text.as_bytes().first() {
        Some(b'{') => match serde_json::from_str::<Fields>(text) {
            Ok(fields) => {
                !fields.repeated.is_empty()
                    || fields.values.values().any(|value| repeats_a_name(value))
            }
            Err(_) => true,
        },
        Some(b'[') => {
            let elements = elements(text, usize::MAX).unwrap_or_default();
            elements.into_iter().any(repeats_a_name)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_are_detected_at_any_depth() {
        for (json, repeats) in [
            ("1", false),
            (r#""{\"a\":1,\"a\":1}""#, false),
            (r#"{"a":{"b":1},"b":[{"a":1},{"a":1}]}"#, false),
            (r#"{"a":1,"a":1}"#, true),
            (r#"{"a":1,"\u0061":1}"#, true),
            (r#"[1, [ {"b":{"a":1,"a":1}}]]"#, true),
            (r#"{"\udc00":1}"#, true),
        ] {
            let raw = RawValue::from_string(json.to_owned()).unwrap();
            assert_eq!(repeats_a_name(&raw), repeats, "{json}");
        }
    }

    #[test]
    fn fields_keep_bytes_and_report_repeated_names() {
        let fields: Fields =
            serde_json::from_str(r#"{"a": 1e2, "b" :[ 1 ], "\u0061":2,"c":3,"a":4}"#).unwrap();
        let values: Vec<_> = fields
            .values
            .iter()
            .map(|(name, value)| (name.as_str(), value.get()))
            .collect();
        assert_eq!(values, [("a", "1e2"), ("b", "[ 1 ]"), ("c", "3")]);
        assert_eq!(fields.repeated, BTreeSet::from(["a".to_owned()]));
        for wrong in ["[]", "null", r#""a""#, "{", r#"{"a":1"#] {
            assert!(serde_json::from_str::<Fields>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn top_level_fields_are_found_even_if_escaped() {
        for (json, is_found) in [
            ("{}", false),
            (r#"{"b":{"a":1},"c":["a"],"d":"a"}"#, false),
            (r#"{"b":1,"a":1}"#, true),
            (r#"{"\u0061":1}"#, true),
            (r#"{"\ud800":1}"#, true),
        ] {
            assert_eq!(has_field(json, "a"), is_found, "{json}");
        }
    }

    #[test]
    fn elements_keep_their_bytes_up_to_a_limit() {
        let found = |json, most| {
            let elements = elements(json, most)?;
            Some(elements.iter().map(|raw| raw.get()).collect::<Vec<_>>())
        };
        assert_eq!(found(" [ ] ", 0), Some(Vec::new()));
        let list = r#"[1e2 , {"a" :[ 1 ]},"x"]"#;
        let expected = vec!["1e2", r#"{"a" :[ 1 ]}"#, r#""x""#];
        assert_eq!(found(list, 3), Some(expected));
        assert_eq!(found(list, 2), None);
        for wrong in ["", "{}", "null", "[", "[1]2", "[1,]"] {
            assert_eq!(found(wrong, 9), None, "{wrong}");
        }
    }

    #[test]
    fn nesting_counts_open_lists_and_objects_outside_strings() {
        for (json, depth) in [
            ("1", 0),
            (r#""[[{""#, 0),
            (r#""\"[""#, 0),
            (r#""\\""#, 0),
            ("[]", 1),
            (r#"{"a":1,"[":"]"}"#, 1),
            (r#"[{"a":[1]},[],{}]"#, 3),
            (r#"["\\",["\"]"],[[]]]"#, 3),
        ] {
            assert_eq!(nesting(json), depth, "{json}");
        }
        let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
        assert_eq!(nesting(&deep), 100_000);
    }
}
