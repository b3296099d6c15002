//! A delivery: one event on its way to one endpoint, and its attempts.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use super::event_type::EventType;
use super::id::{DeliveryId, EndpointId, EventId};

/// Characters of a receiver's answer that are kept.
pub const KEPT_BODY_CHARS: usize = 1000;

/// Where a delivery stands, as the history lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The endpoint it is for.
    pub endpoint_id: EndpointId,
    /// The event that it delivers.
    pub event_id: EventId,
    /// The type of the event.
    pub event: EventType,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// HTTP status of the last answer, if the last attempt was answered.
    pub response_status: Option<u16>,
    /// Attempts made so far.
    pub attempts: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When a receiver took it.
    pub delivered_at: Option<Timestamp>,
    /// When the next attempt is due, if one is.
    pub next_retry_at: Option<Timestamp>,
    /// When it is forgotten.
    pub expires_at: Timestamp,
    /// Why it ended without a further attempt, if it did.
    pub abandoned: Option<Abandoned>,
}

impl Delivery {
    /// A delivery that was accepted and not yet attempted.
    #[must_use]
    pub fn accepted(
        id: DeliveryId,
        endpoint_id: EndpointId,
        event_id: EventId,
        event: EventType,
        created_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            id,
            endpoint_id,
            event_id,
            event,
            status: DeliveryStatus::Pending,
            response_status: None,
            attempts: 0,
            created_at,
            delivered_at: None,
            next_retry_at: None,
            expires_at,
            abandoned: None,
        }
    }

    /// The delivery after an attempt, with the time of the next one if there is
    /// to be one.
    #[must_use]
    pub fn after(self, attempt: &Attempt, next_retry_at: Option<Timestamp>) -> Self {
        let success = attempt.verdict.is_success();
        Self {
            status: match (success, next_retry_at) {
                (true, _) => DeliveryStatus::Delivered,
                (false, Some(_)) => DeliveryStatus::Pending,
                (false, None) => DeliveryStatus::Failed,
            },
            response_status: attempt.verdict.response_status(),
            attempts: attempt.number,
            delivered_at: success.then(|| attempt.ended_at()),
            next_retry_at: next_retry_at.filter(|_| !success),
            ..self
        }
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryStatus {
    /// An attempt is still to come.
    Pending,
    /// A receiver answered 2xx.
    Delivered,
    /// No attempt is to come, and none succeeded.
    Failed,
}

impl DeliveryStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// The name in the API and in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Delivered => "DELIVERED",
            Self::Failed => "FAILED",
        }
    }
}

/// The text names no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be PENDING, DELIVERED or FAILED")]
pub struct UnknownStatus;

impl FromStr for DeliveryStatus {
    type Err = UnknownStatus;

    /// Reads a name in any letter case.
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(text))
            .ok_or(UnknownStatus)
    }
}

/// One try to hand a delivery to its receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When it began; also the `webhook-timestamp` that was signed.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u32,
    /// How it ended.
    pub verdict: Verdict,
}

impl Attempt {
    /// When it ended.
    #[must_use]
    pub fn ended_at(&self) -> Timestamp {
        self.started_at + Duration::from_millis(self.duration_ms.into())
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver answered in full, or up to the cap, within the deadline.
    Answered {
        /// HTTP status.
        status: u16,
        /// First [`KEPT_BODY_CHARS`] characters of the body.
        body: String,
        /// How long the receiver asked to wait (`Retry-After` of 429 and 503).
        retry_after: Option<Duration>,
    },
    /// It did not.
    Failed(Failure),
}

impl Verdict {
    /// Whether the receiver took the delivery: any 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Answered { status, .. } if (200..300).contains(status))
    }

    /// The status of the answer.
    #[must_use]
    pub fn response_status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            Self::Failed(_) => None,
        }
    }
}

/// Why an attempt got no answer. The sentence of each is safe to show: it says
/// nothing of addresses, of our network or of our code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The name did not resolve.
    #[error("the host name could not be resolved")]
    Dns,
    /// The host is, or resolves to, an address that nothing is sent to.
    #[error("the host has an address that deliveries may not be sent to")]
    RefusedAddress,
    /// No connection came about.
    #[error("the connection was refused or could not be made")]
    Connect,
    /// TLS failed, e.g. for a certificate that is not trusted.
    #[error(
        "the TLS handshake failed; the certificate may be expired, self-signed or for another host"
    )]
    Tls,
    /// The deadline passed before the answer was complete.
    #[error("the receiver did not answer in full within the time limit")]
    Timeout,
    /// The connection ended early, or what came was no HTTP.
    #[error("the connection broke before an answer was complete")]
    BrokenAnswer,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Dns,
        Self::RefusedAddress,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::BrokenAnswer,
    ];

    /// The name in the table and in logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::RefusedAddress => "refused_address",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::BrokenAnswer => "broken_answer",
        }
    }

    /// The failure of this name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.code() == code)
    }
}

/// Why a delivery ends without a further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Abandoned {
    /// The endpoint was deleted.
    #[error("the endpoint was deleted before the attempt")]
    EndpointDeleted,
    /// The endpoint is not active.
    #[error("the endpoint was inactive when the attempt was due")]
    EndpointInactive,
    /// What was to be sent is no longer kept.
    #[error("the payload expired before the attempt")]
    PayloadExpired,
}

impl Abandoned {
    /// The name in the table and in logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::EndpointDeleted => "endpoint_deleted",
            Self::EndpointInactive => "endpoint_inactive",
            Self::PayloadExpired => "payload_expired",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [
            Self::EndpointDeleted,
            Self::EndpointInactive,
            Self::PayloadExpired,
        ]
        .into_iter()
        .find(|reason| reason.code() == code)
    }
}

impl fmt::Display for DeliveryStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The first [`KEPT_BODY_CHARS`] characters of a body, with what is not UTF-8
/// replaced (U+FFFD).
#[must_use]
pub fn body_excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(body)
        .chars()
        .take(KEPT_BODY_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_any_letter_case() {
        assert_eq!("failed".parse(), Ok(DeliveryStatus::Failed));
        assert_eq!("Delivered".parse(), Ok(DeliveryStatus::Delivered));
        assert_eq!("".parse::<DeliveryStatus>(), Err(UnknownStatus));
        assert_eq!("PENDING ".parse::<DeliveryStatus>(), Err(UnknownStatus));
    }

    #[test]
    fn every_failure_has_a_code_of_its_own() {
        for failure in Failure::ALL {
            assert_eq!(Failure::from_code(failure.code()), Some(failure));
        }
        assert_eq!(Failure::from_code("other"), None);
    }

    #[test]
    fn only_2xx_is_success() {
        let answered = |status| Verdict::Answered {
            status,
            body: String::new(),
            retry_after: None,
        };
        for status in [200, 204, 299] {
            assert!(answered(status).is_success(), "{status}");
        }
        for status in [199, 300, 302, 404, 500] {
            assert!(!answered(status).is_success(), "{status}");
        }
        assert!(!Verdict::Failed(Failure::Timeout).is_success());
    }

    #[test]
    fn an_excerpt_counts_characters_and_survives_bytes_that_are_no_text() {
        assert_eq!(body_excerpt("é".repeat(1001).as_bytes()), "é".repeat(1000));
        assert_eq!(body_excerpt(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(body_excerpt(b""), "");
    }
}
