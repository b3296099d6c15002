//! The `Prefer` header (RFC 7240), as far as a test ping heeds it.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};

/// Longest wait that a caller may ask for.
const MOST_SECONDS: u64 = 20;

/// What a caller prefers.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Prefer {
    respond_async: bool,
    wait_seconds: Option<u64>,
}

impl Prefer {
    /// Reads the header. What is unknown, malformed or out of range is passed
    /// over and not refused, as the RFC asks (section 2); of a repeated
    /// preference the first counts.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let lines = headers.get_all("prefer").iter();
        let preferences = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','));
        for preference in preferences {
            let token = preference.split(';').next().unwrap_or_default();
            let (name, value) = match token.split_once('=') {
                Some((name, value)) => (name, value.trim().trim_matches('"')),
                None => (token, ""),
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => prefer.respond_async = true,
                "wait" if prefer.wait_seconds.is_none() => {
                    prefer.wait_seconds = value
                        .parse()
                        .ok()
                        .filter(|seconds| *seconds <= MOST_SECONDS);
                }
                _ => {}
            }
        }
        prefer
    }

    /// How long to wait: as asked; not at all for `respond-async` alone; or
    /// `default`. Together they mean to wait, and then to answer 202.
    pub(super) fn wait(&self, default: Duration) -> Duration {
        match (self.wait_seconds, self.respond_async) {
            (Some(seconds), _) => Duration::from_secs(seconds),
            (None, true) => Duration::ZERO,
            (None, false) => default,
        }
    }

    /// The `Preference-Applied` header: what was heeded.
    pub(super) fn applied(&self) -> Option<HeaderValue> {
        let wait = self.wait_seconds.map(|seconds| format!("wait={seconds}"));
        let respond_async = self.respond_async.then(|| "respond-async".to_owned());
        let applied: Vec<_> = respond_async.into_iter().chain(wait).collect();
        if applied.is_empty() {
            return None;
        }
        HeaderValue::from_str(&applied.join(", ")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Duration = Duration::from_secs(10);

    fn wait(lines: &[&str]) -> Duration {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("prefer", line.parse().unwrap());
        }
        Prefer::from_headers(&headers).wait(DEFAULT)
    }

    #[test]
    fn the_wait_is_as_asked() {
        assert_eq!(wait(&[]), DEFAULT);
        assert_eq!(wait(&["wait=0"]), Duration::ZERO);
        assert_eq!(wait(&["wait=20"]), Duration::from_secs(20));
        assert_eq!(wait(&["Wait = \"7\""]), Duration::from_secs(7));
        assert_eq!(wait(&["respond-async"]), Duration::ZERO);
        assert_eq!(wait(&["respond-async, wait=5"]), Duration::from_secs(5));
        assert_eq!(
            wait(&["handling=lenient", "wait=3; x=y"]),
            Duration::from_secs(3)
        );
        assert_eq!(wait(&["wait=3", "wait=4"]), Duration::from_secs(3));
    }

    #[test]
    fn what_cannot_be_heeded_is_passed_over() {
        for line in [
            "wait=21", "wait=-1", "wait=x", "wait=", "wait", "", ",,", "later",
        ] {
            assert_eq!(wait(&[line]), DEFAULT, "{line}");
        }
    }

    #[test]
    fn what_was_heeded_is_told() {
        let applied = |line: &str| {
            let headers =
                HeaderMap::from_iter([("prefer".parse().unwrap(), line.parse().unwrap())]);
            Prefer::from_headers(&headers).applied()
        };
        assert_eq!(
            applied("respond-async,wait=1").unwrap(),
            "respond-async, wait=1"
        );
        assert_eq!(applied("wait=21"), None);
    }
}
