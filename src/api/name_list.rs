//! Lists that are sorted by name: their cursors, and the query parameters of a page.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::query::{DEFAULT_LIMIT, QueryParameters, parse_limit};

const TAG_BYTES: usize = 16;

/// Identifies a list by its kind and its filters. A cursor is valid only for the list that issued
/// it.
pub(super) struct NameList<'a> {
    /// The kind of the items, and the version of the cursors: `apps/1`.
    pub(super) of: &'static str,
    /// The values of the filters. Neither these nor the names can contain a line feed.
    pub(super) filters: &'a [&'a str],
}

/// The page that a request asks for.
pub(super) struct NamePage<N> {
    /// The last name of the previous page.
    pub(super) after: Option<N>,
    pub(super) limit: usize,
}

impl NameList<'_> {
    /// Reads `limit` and `cursor` from a query, and finishes it. Its filters must have been read.
    pub(super) fn page<N>(
        &self,
        mut query: QueryParameters,
        parse: impl FnOnce(&str) -> Option<N>,
    ) -> Result<NamePage<N>, ApiError> {
        let filters_are_valid = query.is_valid();
        let limit = query.read("limit", parse_limit);
        let after = query.read("cursor", |text| {
            match self.read_cursor(text).as_deref().and_then(parse) {
                Some(after) => Ok(Some(after)),
                // If a filter is invalid, nobody can say whether the cursor matches it.
                None if !filters_are_valid => Ok(None),
                None => Err("must be the nextCursor of this list with the same filter"),
            }
        });
        query.finish()?;
        Ok(NamePage {
            after: after.flatten(),
            limit: limit.unwrap_or(DEFAULT_LIMIT),
        })
    }

    /// Creates a cursor for the page after `last`: a tag, as in the cursors of a history, and the
    /// name. The tag detects corruption and use with another list.
    pub(super) fn cursor_after(&self, last: &str) -> String {
        let mut bytes = self.tag(last).to_vec();
        bytes.extend_from_slice(last.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn read_cursor(&self, cursor: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (found, last) = bytes.split_at_checked(TAG_BYTES)?;
        let last = std::str::from_utf8(last).ok()?;
        (found == self.tag(last)).then(|| last.to_owned())
    }

    fn tag(&self, last: &str) -> [u8; TAG_BYTES] {
        let mut hash = Sha256::new_with_prefix(self.of);
        for part in self.filters.iter().chain([&last]) {
            hash.update("\n");
            hash.update(part);
        }
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&hash.finalize()[..TAG_BYTES]);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list<'a>(of: &'static str, filters: &'a [&'a str]) -> NameList<'a> {
        NameList { of, filters }
    }

    #[test]
    fn cursors_are_valid_only_for_their_own_list() {
        let own = list("apps/1", &["acme", ""]);
        let cursor = own.cursor_after("acme-1");
        assert_eq!(own.read_cursor(&cursor).as_deref(), Some("acme-1"));
        for (of, filters) in [
            ("apps/1", &["", "acme"][..]),
            ("apps/1", &["acme"]),
            ("apps/1", &["acm", ""]),
            ("apps/1", &["acme", "a"]),
            ("event-types/1", &["acme", ""]),
        ] {
            let other = list(of, filters);
            assert_eq!(other.read_cursor(&cursor), None, "{of} {filters:?}");
        }
        for end in 0..cursor.len() {
            assert_eq!(own.read_cursor(&cursor[..end]), None);
        }
    }
}
