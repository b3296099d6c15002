//! An event's data, parsed lazily.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::decimal::Decimal;
use crate::domain::json::elements;

/// A part of an event's data: JSON that is parsed on access, one level at a time and at most
/// once.
///
/// Events may have data that `serde_json::Value` can't represent: numbers of any size, lone
/// surrogates, 128 levels. Such parts do not prevent filters from matching the others.
#[derive(Debug)]
pub(super) struct Part<'a> {
    json: &'a str,
    parsed: OnceCell<Node<'a>>,
}

/// A parsed value. Elements and fields are still unparsed.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(Cow<'a, str>),
    List(Vec<Part<'a>>),
    Object(Object<'a>),
}

/// The fields of an object, sorted by name for binary search. The sort is stable, so
/// duplicates stay in the order in which they were written.
#[derive(Debug)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Part<'a>)>);

impl<'a> Part<'a> {
    /// Wraps valid JSON.
    pub(super) fn of(json: &'a str) -> Self {
        Self {
            json: json.trim_ascii(),
            parsed: OnceCell::new(),
        }
    }

    pub(super) fn node(&self) -> &Node<'a> {
        self.parsed.get_or_init(|| Node::of(self.json))
    }

    /// The field of this name. `None` if there is none, or this is not an object.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        match self.node() {
            Node::Object(object) => object.field(name),
            _ => None,
        }
    }
}

impl<'a> Object<'a> {
    /// The field of this name. The last one wins if there are several, as in most parsers.
    pub(super) fn field(&self, name: &str) -> Option<&Part<'a>> {
        // All names up to and including this one come before `end`.
        let end = self.0.partition_point(|(other, _)| other.as_ref() <= name);
        let (found, data) = self.0[..end].last()?;
        (found == name).then_some(data)
    }
}

impl<'a> Node<'a> {
    fn of(json: &'a str) -> Self {
        match json.as_bytes().first() {
            Some(b'{') => {
                let object = serde_json::from_str(json);
                object.map_or(Self::Null, Self::Object)
            }
            Some(b'[') => {
                let elements = elements(json, usize::MAX).unwrap_or_default();
                let elements = elements.into_iter().map(|raw| Part::of(raw.get()));
                Self::List(elements.collect())
            }
            Some(b'"') => {
                let text: Result<Text<'a>, _> = serde_json::from_str(json);
                text.map_or(Self::Null, |Text(text)| Self::Text(text))
            }
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'-' | b'0'..=b'9') => Self::Number(Decimal::of_json(json)),
            _ => Self::Null,
        }
    }
}

/// A string. Lone surrogates, which UTF-8 can't encode, are replaced by U+FFFD. No filter
/// contains any, so they match nothing that they should not.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
                Ok(Text(String::from_utf8_lossy(bytes)))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
                let text = String::from_utf8_lossy(bytes);
                Ok(Text(Cow::Owned(text.into_owned())))
            }
        }

        // As bytes, because serde_json accepts lone surrogates only there.
        deserializer.deserialize_bytes(Bytes)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((Text(name), raw)) = map.next_entry::<_, &'de RawValue>()? {
                    fields.push((name, Part::of(raw.get())));
                }
                fields.sort_by(|(one, _), (other, _)| one.cmp(other));
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_beyond_the_limits_of_common_types_is_read() {
        let deep = ["[".repeat(127), r#"{"a":"x"}"#.to_owned(), "]".repeat(127)].concat();
        let mut data = &Part::of(&deep);
        while let Node::List(elements) = data.node() {
            data = &elements[0];
        }
        assert!(matches!(data.field("a").unwrap().node(), Node::Text(text) if text == "x"));
        let odd =
            r#" {"\ud800":1, "n":123456789012345678901234567890.10e+400, "a":1, "a":"\udc00b"}"#;
        let odd = Part::of(odd);
        assert!(matches!(
            odd.field("\u{fffd}\u{fffd}\u{fffd}").unwrap().node(),
            Node::Number(_)
        ));
        assert!(matches!(odd.field("n").unwrap().node(), Node::Number(_)));
        let Node::Text(last) = odd.field("a").unwrap().node() else {
            panic!("not a text");
        };
        assert!(last.ends_with('b'));
        assert!(odd.field("b").is_none());
    }
}
