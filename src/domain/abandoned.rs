//! Reasons to end a delivery early.

/// Why a delivery ended without another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Abandoned {
    /// The endpoint was deleted.
    #[error("the endpoint was deleted before the attempt")]
    EndpointDeleted,
    /// The endpoint was inactive.
    #[error("the endpoint was inactive")]
    EndpointInactive,
    /// The event's payload had expired.
    #[error("the payload expired before the attempt")]
    PayloadExpired,
    /// The event's payload had been deleted.
    #[error("the payload was deleted before the attempt")]
    PayloadDeleted,
}

impl Abandoned {
    /// The name used in the API, the table and logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::EndpointDeleted => "ENDPOINT_DELETED",
            Self::EndpointInactive => "ENDPOINT_INACTIVE",
            Self::PayloadExpired => "PAYLOAD_EXPIRED",
            Self::PayloadDeleted => "PAYLOAD_DELETED",
        }
    }

    /// Parses the output of [`Self::code`].
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [
            Self::EndpointDeleted,
            Self::EndpointInactive,
            Self::PayloadExpired,
            Self::PayloadDeleted,
        ]
        .into_iter()
        .find(|reason| reason.code() == code)
    }
}
