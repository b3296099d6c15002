//! Pagination cursors for the delivery history.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::domain::delivery::DeliveryStatus;
use crate::domain::event_type::EventType;
use crate::domain::id::{DeliveryId, EndpointId};
use crate::domain::time::iso_millis;

const ID_BYTES: usize = 16;
const TAG_BYTES: usize = 16;

/// Identifies a list: an endpoint's history with a filter. A cursor is valid only for the list that
/// issued it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListKey {
    pub(super) endpoint_id: EndpointId,
    pub(super) status: Option<DeliveryStatus>,
    pub(super) event: Option<EventType>,
    pub(super) since: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
}

impl ListKey {
    /// Creates a cursor for the page after `last`: the base64url of the id and of a tag, which is a
    /// hash of the list and the id.
    ///
    /// The tag detects corruption and use with another list. It needs no secret key, because a
    /// forged cursor only selects a position in a list that the caller can read anyway.
    pub(super) fn cursor_after(&self, last: DeliveryId) -> String {
        let mut bytes = [0; ID_BYTES + TAG_BYTES];
        bytes[..ID_BYTES].copy_from_slice(last.as_bytes());
        bytes[ID_BYTES..].copy_from_slice(&self.tag(last));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Decodes a cursor to the last delivery of the previous page. `None` if the cursor is
    /// malformed or belongs to another list.
    pub(super) fn read_cursor(&self, cursor: &str) -> Option<DeliveryId> {
        let (last, tag) = parts(cursor)?;
        (tag == self.tag(last)).then_some(last)
    }

    fn tag(&self, last: DeliveryId) -> [u8; TAG_BYTES] {
        // No part can contain a line feed, so different lists always hash different texts.
        let list = format!(
            "deliveries/1\n{}\n{}\n{}\n{}\n{}\n",
            self.endpoint_id,
            self.status.map_or("", DeliveryStatus::as_str),
            self.event.as_ref().map_or("", EventType::as_str),
            self.since.map(iso_millis).unwrap_or_default(),
            self.until.map(iso_millis).unwrap_or_default(),
        );
        let hash = Sha256::new()
            .chain_update(list)
            .chain_update(last.as_bytes())
            .finalize();
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&hash[..TAG_BYTES]);
        tag
    }
}

/// Whether this could be a cursor of some list.
pub(super) fn is_well_formed(cursor: &str) -> bool {
    parts(cursor).is_some()
}

fn parts(cursor: &str) -> Option<(DeliveryId, [u8; TAG_BYTES])> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (id, tag) = bytes.split_at_checked(ID_BYTES)?;
    let last = DeliveryId::from_bytes(id.try_into().ok()?);
    Some((last, tag.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::fuzz::lists;
    use super::*;

    fn list() -> ListKey {
        ListKey {
            endpoint_id: EndpointId::new(),
            status: None,
            event: None,
            since: None,
            until: None,
        }
    }

    #[test]
    fn cursors_are_valid_only_for_their_own_list() {
        let [others @ .., list] = lists();
        let last = DeliveryId::new();
        let cursor = list.cursor_after(last);
        assert_eq!(list.read_cursor(&cursor), Some(last));
        for other in others {
            assert_eq!(other.read_cursor(&cursor), None, "{other:?}");
        }
    }

    #[test]
    fn changing_any_character_invalidates_a_cursor() {
        let list = list();
        let cursor = list.cursor_after(DeliveryId::new());
        for index in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(list.read_cursor(&changed), None, "{changed}");
        }
        for wrong in [
            "",
            "A",
            "%",
            &cursor[1..],
            &format!("{cursor}AA"),
            &format!("{cursor}="),
        ] {
            assert_eq!(list.read_cursor(wrong), None, "{wrong}");
        }
    }
}
