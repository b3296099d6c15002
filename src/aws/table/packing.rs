//! Compression of event data. Write units are the largest part of what an event costs, and
//! JSON of a kilobyte or more shrinks to half its size or less, in microseconds. Data that
//! fits into one unit anyway stays readable in the table.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::fields::{Readable, text, time};
use super::keys::attribute::{DATA, PAYLOAD, TIMESTAMP};
use crate::domain::event::{MAX_PAYLOAD_BYTES, split_payload};
use crate::domain::event_type::EventType;
use crate::domain::id::AppId;

/// Bytes per write unit (DynamoDB).
const WRITE_UNIT: usize = 1024;

/// Compression level, of 10. Higher levels take several times as long and save another 5 %.
const LEVEL: u8 = 3;

/// Size of an event's item without its data, the app's id and the event type.
const OTHER_BYTES: usize = 103;

/// The attributes that store a payload. Of a payload in the service's own form, only the
/// time and the data are stored: with the item's event type, they yield it byte for byte.
pub(super) fn attributes_of(
    app_id: AppId,
    event_type: &EventType,
    payload: &str,
) -> Vec<(&'static str, AttributeValue)> {
    let Some((at, data)) = split_payload(event_type, payload) else {
        return vec![(PAYLOAD, text(payload))];
    };
    let variable = app_id.as_str().len() + event_type.as_str().len();
    let data = packed(data, OTHER_BYTES + variable);
    vec![(TIMESTAMP, time(at)), (DATA, data)]
}

/// Encodes data for an item with `beside` bytes of other attributes.
fn packed(data: &str, beside: usize) -> AttributeValue {
    let units = |bytes: usize| (beside + bytes).div_ceil(WRITE_UNIT);
    if units(data.len()) > 1 {
        let small = compress_to_vec(data.as_bytes(), LEVEL);
        if units(small.len()) < units(data.len()) {
            return AttributeValue::B(Blob::new(small));
        }
    }
    text(data)
}

/// Inverse of [`packed`].
pub(super) struct Data(pub(super) String);

impl Readable for Data {
    fn of(value: AttributeValue) -> Option<Self> {
        match value {
            AttributeValue::S(text) => Some(Self(text)),
            AttributeValue::B(small) => {
                // The limit protects the function's memory from an edited item.
                let data = decompress_to_vec_with_limit(small.as_ref(), MAX_PAYLOAD_BYTES);
                String::from_utf8(data.ok()?).ok().map(Self)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that barely compresses.
    fn noise(bytes: usize) -> String {
        let hashes = (0_u32..).flat_map(|n| {
            use sha2::{Digest, Sha256};
            Sha256::digest(n.to_be_bytes()).to_vec()
        });
        let printable = hashes.map(|byte| char::from(b' ' + byte % 95));
        printable.take(bytes).collect()
    }

    #[test]
    fn data_is_compressed_only_if_it_saves_a_unit() {
        let json = r#"{"id":"inv_1","amount":1200},"#;
        let repeated = |bytes| json.chars().cycle().take(bytes).collect::<String>();
        for (data, is_small) in [
            (repeated(924), false),
            (repeated(925), true),
            (repeated(MAX_PAYLOAD_BYTES), true),
            // Shrinks, but not by a unit.
            (noise(1500), false),
            ("é".repeat(3000), true),
            (String::new(), false),
        ] {
            let stored = packed(&data, 100);
            assert_eq!(stored.is_b(), is_small, "{} bytes", data.len());
            assert_eq!(Data::of(stored).unwrap().0, data);
        }
    }

    #[test]
    fn invalid_compressed_data_is_rejected() {
        let much = compress_to_vec(&vec![b'x'; MAX_PAYLOAD_BYTES + 1], LEVEL);
        let not_text = compress_to_vec(&[0xff; 5000], LEVEL);
        for wrong in [much, not_text, b"no stream".to_vec()] {
            assert!(Data::of(AttributeValue::B(Blob::new(wrong))).is_none());
        }
    }
}
