//! Encoding and decoding of attributes, as compact as DynamoDB counts them. A time is a
//! number of milliseconds (8 bytes instead of 24 as text), an id its 16 bytes (instead of
//! 36).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use uuid::Uuid;

use super::Item;
use crate::aws::error::Malformed;
use crate::domain::channel::Channels;
use crate::domain::id::{DeliveryId, EndpointId, EventId};

pub(super) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn time(at: Timestamp) -> AttributeValue {
    number(at.as_millisecond())
}

pub(super) fn id(bytes: &[u8; 16]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// `None` if there are no channels, because an item without the attribute is smaller.
pub(super) fn channels(channels: &Channels) -> Option<AttributeValue> {
    (!channels.is_empty()).then(|| AttributeValue::L(channels.iter().map(text).collect()))
}

pub(super) fn bytes(value: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// An id that AWS issued. In practice it is a UUID and is stored as 16 bytes. AWS does not
/// promise that, so anything else is stored as text, as is a UUID in any other notation.
pub(super) fn aws_id(text: &str) -> AttributeValue {
    match Uuid::try_parse(text) {
        Ok(uuid) if uuid.to_string() == text => id(uuid.as_bytes()),
        _ => AttributeValue::S(text.to_owned()),
    }
}

/// A builder of items.
pub(super) struct Draft(Item);

impl Draft {
    pub(super) fn of(key: Item) -> Self {
        Self(key)
    }

    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    pub(super) fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// Sets the attribute if there is a value.
    pub(super) fn set_some(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    pub(super) fn item(self) -> Item {
        self.0
    }
}

/// A reader of items. Errors name the attribute and never quote the value, which may be a
/// customer's.
pub(super) struct Fields(Item);

impl Fields {
    pub(super) fn of(item: Item) -> Self {
        Self(item)
    }

    /// Takes a required attribute.
    pub(super) fn read<T: Readable>(&mut self, name: &str) -> Result<T, Malformed> {
        let found = self.read_some(name)?;
        Ok(found.ok_or_else(|| format!("the attribute {name} is missing"))?)
    }

    /// Takes an optional attribute.
    pub(super) fn read_some<T: Readable>(&mut self, name: &str) -> Result<Option<T>, Malformed> {
        let Some(value) = self.0.remove(name) else {
            return Ok(None);
        };
        match T::of(value) {
            Some(value) => Ok(Some(value)),
            None => Err(format!("the attribute {name} has an unexpected value").into()),
        }
    }
}

/// A type that an attribute can be decoded as.
pub(super) trait Readable: Sized {
    fn of(value: AttributeValue) -> Option<Self>;
}

impl Readable for String {
    fn of(value: AttributeValue) -> Option<Self> {
        match value {
            AttributeValue::S(text) => Some(text),
            _ => None,
        }
    }
}

impl Readable for bool {
    fn of(value: AttributeValue) -> Option<Self> {
        value.as_bool().ok().copied()
    }
}

macro_rules! readable_numbers {
    ($($number:ty),*) => {
        $(impl Readable for $number {
            fn of(value: AttributeValue) -> Option<Self> {
                value.as_n().ok()?.parse().ok()
            }
        })*
    };
}

readable_numbers!(u16, u32, u64, i64);

/// Inverse of [`time`].
impl Readable for Timestamp {
    fn of(value: AttributeValue) -> Option<Self> {
        Self::from_millisecond(i64::of(value)?).ok()
    }
}

/// Inverse of [`bytes`].
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Readable for Bytes {
    fn of(value: AttributeValue) -> Option<Self> {
        match value {
            AttributeValue::B(bytes) => Some(Self(bytes.into_inner())),
            _ => None,
        }
    }
}

/// Inverse of [`id`].
impl Readable for [u8; 16] {
    fn of(value: AttributeValue) -> Option<Self> {
        value.as_b().ok()?.as_ref().try_into().ok()
    }
}

impl Readable for EventId {
    fn of(value: AttributeValue) -> Option<Self> {
        Readable::of(value).map(Self::from_bytes)
    }
}

impl Readable for EndpointId {
    fn of(value: AttributeValue) -> Option<Self> {
        Readable::of(value).map(Self::from_bytes)
    }
}

impl Readable for DeliveryId {
    fn of(value: AttributeValue) -> Option<Self> {
        Readable::of(value).map(Self::from_bytes)
    }
}

/// Inverse of [`aws_id`].
pub(super) struct AwsId(pub(super) String);

impl Readable for AwsId {
    fn of(value: AttributeValue) -> Option<Self> {
        match value {
            AttributeValue::S(text) => Some(Self(text)),
            bytes => Some(Self(Uuid::from_bytes(Readable::of(bytes)?).to_string())),
        }
    }
}

impl<T: Readable> Readable for Vec<T> {
    fn of(value: AttributeValue) -> Option<Self> {
        match value {
            AttributeValue::L(values) => values.into_iter().map(T::of).collect(),
            _ => None,
        }
    }
}

/// Inverse of [`channels`].
impl Readable for Channels {
    fn of(value: AttributeValue) -> Option<Self> {
        let texts: Vec<String> = Readable::of(value)?;
        Self::parse("channels", texts.iter().map(String::as_str)).ok()
    }
}

impl Readable for BTreeMap<String, String> {
    fn of(value: AttributeValue) -> Option<Self> {
        let texts = Item::of(value)?.into_iter();
        texts
            .map(|(name, value)| Some((name, String::of(value)?)))
            .collect()
    }
}

impl Readable for BTreeSet<String> {
    fn of(value: AttributeValue) -> Option<Self> {
        match value {
            AttributeValue::Ss(texts) => Some(texts.into_iter().collect()),
            _ => None,
        }
    }
}

impl Readable for Item {
    fn of(value: AttributeValue) -> Option<Self> {
        match value {
            AttributeValue::M(item) => Some(item),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_ids_round_trip_in_any_form() {
        for (text, is_small) in [
            ("01a20e92-ebe2-7744-a48e-17f9d6663787", true),
            // Other notations must come back unchanged.
            ("01A20E92-EBE2-7744-A48E-17F9D6663787", false),
            ("01a20e92ebe27744a48e17f9d6663787", false),
            ("seed", false),
            ("", false),
        ] {
            let stored = aws_id(text);
            assert_eq!(stored.is_b(), is_small, "{text}");
            assert_eq!(AwsId::of(stored).unwrap().0, text);
        }
    }

    #[test]
    fn errors_name_the_attribute_but_not_the_value() {
        let item = || Draft::new().set("x", text("a secret")).item();
        let errors = [
            Fields::of(item()).read::<u32>("x").map(|_| ()),
            Fields::of(item()).read::<Timestamp>("x").map(|_| ()),
            Fields::of(item()).read_some::<bool>("x").map(|_| ()),
            Fields::of(item()).read::<String>("y").map(|_| ()),
        ];
        for error in errors {
            let error = format!("{:?}", error.unwrap_err());
            assert!(error.contains("attribute"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!(
            Fields::of(item()).read_some::<String>("y").ok().flatten(),
            None
        );
    }
}
