//! Fuzz target of deliveries. See [`crate::fuzz`].

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use hyper::header::{HeaderMap, HeaderValue, LOCATION};
use url::Url;

use super::answer::{encoding, location};
use super::retry_after::asked_wait;
use super::status_line::StatusLine;
use crate::domain::delivery::{KEPT_BODY_CHARS, body_excerpt};
use crate::domain::fuzz::must;
use crate::domain::time::parse;

/// A receiver's response: the input is the raw response and its body, and each line of it the
/// value of a header.
pub(crate) fn response(bytes: &[u8]) {
    let status = status_of(bytes, usize::MAX);
    assert!(status.is_none_or(|status| (200..600).contains(&status)));
    for size in [1, 2, 7] {
        assert_eq!(status_of(bytes, size), status, "in pieces of {size}");
    }
    assert_eq!(status, plain_status(bytes));
    let excerpt = body_excerpt(bytes);
    assert!(excerpt.chars().count() <= KEPT_BODY_CHARS);
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else {
            continue;
        };
        if let Ok(text) = value.to_str() {
            check_wait(text);
        }
        check_location(value, bytes);
    }
}

fn status_of(bytes: &[u8], size: usize) -> Option<u16> {
    let mut line = StatusLine::default();
    for piece in bytes.chunks(size) {
        line.read(piece);
    }
    assert_eq!(line.begun, !bytes.is_empty());
    line.status()
}

/// The status of a complete response, skipping interim responses.
fn plain_status(mut bytes: &[u8]) -> Option<u16> {
    loop {
        while let [b'\r' | b'\n', rest @ ..] = bytes {
            bytes = rest;
        }
        let line = bytes.split_inclusive(|byte| *byte == b'\n').next()?;
        let seen = &line[..line.len().min(128)];
        let ends = (1..=seen.len()).filter(|end| matches!(seen[end - 1], b' ' | b'\r' | b'\n'));
        let mut found = ends.filter_map(|end| Some((end, number_in(&seen[..end])?)));
        let (end, status) = found.next()?;
        if !(100..200).contains(&status) {
            return (200..600).contains(&status).then_some(status);
        }
        // Skip the rest of the interim response, up to an empty line.
        let mut lines = bytes[end - 1..].split_inclusive(|byte| *byte == b'\n');
        let mut length = end - 1 + lines.next()?.len();
        for line in lines {
            length += line.len();
            if line.ends_with(b"\n") && line.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
                break;
            }
        }
        bytes = &bytes[length..];
    }
}

fn number_in(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line).ok()?;
    let (version, status) = line.strip_prefix("HTTP/")?.split_once(' ')?;
    let is_version = |c: char| c.is_ascii_digit() || c == '.';
    let status = status.trim_matches([' ', '\t', '\r', '\n', '\x0c']);
    let is_status = status.len() == 3 && status.chars().all(|c| c.is_ascii_digit());
    let is_sound = !version.is_empty() && version.chars().all(is_version) && is_status;
    is_sound.then(|| status.parse().ok())?
}

fn check_wait(value: &str) {
    let now = must(parse("2026-01-31T09:30:00Z"));
    let Some(wait) = asked_wait(value, now) else {
        return;
    };
    let value = value.trim();
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = value.trim_start_matches('0').parse().unwrap_or(u64::MAX);
        let is_zero = value.bytes().all(|byte| byte == b'0');
        assert_eq!(wait.as_secs(), if is_zero { 0 } else { seconds });
    } else {
        // HTTP dates end with the year 9999.
        let date = now.as_duration().unsigned_abs() + wait;
        assert!(date < Duration::from_secs(253_402_300_800));
        let again = httpdate::fmt_http_date(UNIX_EPOCH + date);
        assert_eq!(asked_wait(&again, now), Some(wait), "{value}");
    }
}

static TARGET: LazyLock<Url> =
    LazyLock::new(|| must(Url::parse("https://example.com/hook?token=1")));

/// The shown target of a redirect is a URL without credentials, query and fragment.
fn check_location(value: HeaderValue, body: &[u8]) {
    let headers = HeaderMap::from_iter([(LOCATION, value)]);
    encoding(&headers, body);
    let Some(shown) = location(&headers, &TARGET) else {
        return;
    };
    let whole = shown.trim_end_matches('…');
    assert!(
        whole.len() <= 200 && whole.bytes().all(|byte| byte.is_ascii_graphic()),
        "{shown}"
    );
    assert!(!whole.contains(['?', '#']), "{shown}");
    if whole == shown {
        let url = must(Url::parse(&shown));
        assert!(matches!(url.scheme(), "http" | "https"));
        assert!(
            url.username().is_empty() && url.password().is_none(),
            "{shown}"
        );
        assert_eq!(url.as_str(), shown);
    }
}
