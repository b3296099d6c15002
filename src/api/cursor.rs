//! Cursors: where the next page of a history begins.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::domain::delivery::DeliveryStatus;
use crate::domain::id::{DeliveryId, EndpointId};

const ID_BYTES: usize = 16;
const TAG_BYTES: usize = 16;

/// The list that a cursor is for: it says nothing in any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListKey {
    pub(super) endpoint_id: EndpointId,
    pub(super) status: Option<DeliveryStatus>,
}

impl ListKey {
    /// A cursor to what follows `last` in this list: base64url of the id and a
    /// tag over list and id.
    ///
    /// The tag has no key. It finds damage and mix-ups; somebody who forges it
    /// gets a position in a list that is theirs anyway, and nothing else.
    pub(super) fn cursor_after(self, last: DeliveryId) -> String {
        let mut bytes = [0; ID_BYTES + TAG_BYTES];
        bytes[..ID_BYTES].copy_from_slice(last.as_bytes());
        bytes[ID_BYTES..].copy_from_slice(&self.tag(last));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The delivery that a cursor of this list follows. `None` when it is not
    /// one.
    pub(super) fn read_cursor(self, cursor: &str) -> Option<DeliveryId> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (id, tag) = bytes.split_at_checked(ID_BYTES)?;
        let last = DeliveryId::from_bytes(id.try_into().ok()?);
        (tag == self.tag(last)).then_some(last)
    }

    fn tag(self, last: DeliveryId) -> [u8; TAG_BYTES] {
        let hash = Sha256::new()
            .chain_update(b"webhook-endpoints/deliveries/1\0")
            .chain_update(self.endpoint_id.as_bytes())
            .chain_update(self.status.map_or("*", DeliveryStatus::as_str))
            .chain_update([0])
            .chain_update(last.as_bytes())
            .finalize();
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&hash[..TAG_BYTES]);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_works_in_its_own_list_only() {
        let list = ListKey {
            endpoint_id: EndpointId::new(),
            status: None,
        };
        let last = DeliveryId::new();
        let cursor = list.cursor_after(last);
        assert_eq!(list.read_cursor(&cursor), Some(last));
        let filtered = ListKey {
            status: Some(DeliveryStatus::Failed),
            ..list
        };
        let foreign = ListKey {
            endpoint_id: EndpointId::new(),
            ..list
        };
        assert_eq!(filtered.read_cursor(&cursor), None);
        assert_eq!(foreign.read_cursor(&cursor), None);
    }

    #[test]
    fn any_changed_character_is_noticed() {
        let list = ListKey {
            endpoint_id: EndpointId::new(),
            status: None,
        };
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
