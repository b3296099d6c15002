//! Reads the parts of a receiver's response that we keep.
//!
//! Once the head has arrived, the status is the verdict. Nothing that happens later
//! changes the outcome, so nothing in here fails.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, HeaderMap, LOCATION, RETRY_AFTER};
use jiff::Timestamp;
use tokio::time::timeout;
use url::Url;

use super::retry_after::asked_wait;
use crate::domain::delivery::{Answer, BodyNote, KEPT_BODY_CHARS, body_excerpt};
use crate::domain::own_headers::OwnHeaders;

/// How long a body may take. Only the history needs it, and until then the attempt holds
/// a slot of its function.
const BODY_TIME: Duration = Duration::from_secs(1);

/// How much of a body we read before we drop the connection. This is more than we keep: a
/// connection can be reused only if the body was read to its end.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// UTF-8 needs at most four bytes per character.
const KEPT_BODY_BYTES: usize = KEPT_BODY_CHARS * 4;

/// Reads the body for [`BODY_TIME`], or less if less of the attempt's time is left.
/// Values of the endpoint's own headers that the response repeats are removed.
pub(super) async fn read(
    response: Response<Incoming>,
    target: &Url,
    at: Timestamp,
    time_left: Duration,
    own_headers: Option<&OwnHeaders>,
) -> Answer {
    let (head, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    // Writes into `body` as it reads, so that the part read before a timeout is kept.
    let reading = read_capped(&mut incoming, &mut body);
    let note = match timeout(time_left.min(BODY_TIME), reading).await {
        Ok(Ok(())) => None,
        Ok(Err(_)) => Some(BodyNote::BrokeOff),
        Err(_) => Some(BodyNote::TookTooLong),
    };
    Answer {
        status: head.status.as_u16(),
        location: location(&head.headers, target).map(|shown| match own_headers {
            Some(own) => own.removed_from(&shown),
            None => shown,
        }),
        body: match encoding(&head.headers, &body) {
            Some(name) => format!("(a body in {name}, not shown)"),
            None => match own_headers {
                Some(own) => {
                    body_excerpt(own.removed_from(&String::from_utf8_lossy(&body)).as_bytes())
                }
                None => body_excerpt(&body),
            },
        },
        note,
        retry_after: head
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| asked_wait(value.to_str().ok()?, at)),
    }
}

/// Reads about [`MAX_BODY_BYTES`] and keeps the first [`KEPT_BODY_BYTES`] in `kept`, even
/// if it is cancelled.
async fn read_capped(body: &mut Incoming, kept: &mut Vec<u8>) -> hyper::Result<()> {
    let mut read = 0;
    while read < MAX_BODY_BYTES {
        let Some(frame) = body.frame().await.transpose()? else {
            break;
        };
        // A frame of trailers counts as empty.
        let chunk = frame.into_data().unwrap_or_default();
        read += chunk.len();
        let room = KEPT_BODY_BYTES - kept.len();
        kept.extend_from_slice(&chunk[..room.min(chunk.len())]);
    }
    Ok(())
}

/// The encoding of a body that would look like noise. We do not ask for any encoding, so
/// few receivers use one, and decoding would serve only them. Text is shown as it is,
/// whatever the header says.
pub(super) fn encoding(headers: &HeaderMap, body: &[u8]) -> Option<&'static str> {
    let is_text = match std::str::from_utf8(body) {
        Ok(_) => true,
        // `None` if the body is cut off in the middle of a character, and text until
        // then.
        Err(error) => error.error_len().is_none(),
    };
    if is_text {
        return None;
    }
    let named = headers.get(CONTENT_ENCODING).map(|name| name.as_bytes());
    match named.unwrap_or_default().to_ascii_lowercase().as_slice() {
        b"br" => Some("brotli"),
        b"zstd" => Some("zstd"),
        b"deflate" => Some("deflate"),
        b"compress" | b"x-compress" => Some("compress"),
        b"gzip" | b"x-gzip" => Some("gzip"),
        // Every gzip file begins with this (RFC 1952, 2.3.1).
        _ if body.starts_with(b"\x1f\x8b") => Some("gzip"),
        _ => None,
    }
}

/// How much of a redirect's target is shown, in bytes.
const SHOWN_LOCATION: usize = 200;

/// Where a redirect points, without credentials and query, which may be secret. The URL
/// parser escapes whatever is not printable.
pub(super) fn location(headers: &HeaderMap, target: &Url) -> Option<String> {
    let location = std::str::from_utf8(headers.get(LOCATION)?.as_bytes()).ok()?;
    let url = target.join(location).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let mut shown = url.origin().ascii_serialization() + url.path();
    if shown.len() > SHOWN_LOCATION {
        // Never in the middle of a character: all of it is ASCII.
        shown.truncate(SHOWN_LOCATION);
        shown.push('…');
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: HeaderName, value: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_bytes(value).unwrap())])
    }

    #[test]
    fn locations_omit_credentials_query_and_fragment() {
        let target = Url::parse("https://example.com/a/b?secret=1").unwrap();
        for (given, shown) in [
            (
                "https://example.com/login",
                Some("https://example.com/login"),
            ),
            ("http://example.com/hook", Some("http://example.com/hook")),
            ("/c", Some("https://example.com/c")),
            ("c", Some("https://example.com/a/c")),
            ("//other.example/", Some("https://other.example/")),
            ("?token=1", Some("https://example.com/a/b")),
            ("", Some("https://example.com/a/b")),
            (
                "https://u:p@example.com:8443/x?t=1#f",
                Some("https://example.com:8443/x"),
            ),
            ("/é\u{202e}", Some("https://example.com/%C3%A9%E2%80%AE")),
            (
                "https://bücher.example/",
                Some("https://xn--bcher-kva.example/"),
            ),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
            ("https://", None),
        ] {
            let headers = headers(LOCATION, given.as_bytes());
            assert_eq!(location(&headers, &target).as_deref(), shown, "{given}");
        }
        assert_eq!(location(&headers(LOCATION, b"/\xff"), &target), None);
        assert_eq!(location(&HeaderMap::new(), &target), None);
    }

    #[test]
    fn long_locations_are_cut_off() {
        let target = Url::parse("https://example.com/").unwrap();
        let headers = headers(LOCATION, "é".repeat(1000).as_bytes());
        let shown = location(&headers, &target).unwrap();
        assert_eq!(shown.chars().count(), SHOWN_LOCATION + 1);
        assert!(shown.starts_with("https://example.com/%C3%A9"), "{shown}");
        let path = "x".repeat(SHOWN_LOCATION - "https://example.com/".len());
        let shown = location(&self::headers(LOCATION, path.as_bytes()), &target).unwrap();
        assert_eq!(shown, format!("https://example.com/{path}"));
    }

    #[test]
    fn encodings_are_named_unless_the_body_is_text() {
        const GZIP: &[u8] = b"\x1f\x8b\x08\0";
        for (named, body, expected) in [
            ("gzip", GZIP, Some("gzip")),
            ("X-Gzip", GZIP, Some("gzip")),
            ("", GZIP, Some("gzip")),
            ("br", b"\xff\x02", Some("brotli")),
            ("zstd", b"\x28\xb5\x2f\xfd", Some("zstd")),
            ("deflate", b"\x78\x9c", Some("deflate")),
            ("x-compress", b"\x1f\x9d\x90", Some("compress")),
            ("gzip", b"\xff", Some("gzip")),
            ("gzip", b"in fact text", None),
            ("gzip", b"", None),
            ("gzip", b"cut off \xf0\x9f", None),
            ("utf-8", b"a\xffb", None),
            ("", b"a\xffb", None),
        ] {
            let headers = headers(CONTENT_ENCODING, named.as_bytes());
            assert_eq!(encoding(&headers, body), expected, "{named} {body:?}");
        }
    }
}
