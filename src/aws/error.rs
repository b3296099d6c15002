//! Errors of the stores.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

/// A cause that can be cloned: several callers may share one failed read.
type SharedError = Arc<dyn StdError + Send + Sync>;

/// A failed call on the table, the secrets or the queues.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The AWS call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// AWS did its part, but data that was read or was to be written does not have the
    /// expected form: a defect in this code, or an item that somebody edited.
    #[error("{operation}: {reason}")]
    Malformed {
        /// The operation, as in [`AwsError`].
        operation: &'static str,
        /// What is wrong. Never quotes a value.
        reason: SharedError,
    },
}

/// An AWS call that failed after the SDK's own retries.
#[derive(Debug, Clone)]
pub struct AwsError {
    operation: &'static str,
    kind: AwsErrorKind,
    blames_request: bool,
    code: Option<String>,
    source: SharedError,
}

/// The kind of an [`AwsError`], as far as callers distinguish them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsErrorKind {
    /// AWS throttled the call.
    Throttled,
    /// A quota is exhausted and will not be free within seconds.
    LimitExceeded,
    /// AWS did not respond, or responded that it cannot handle the call right now.
    Unavailable,
    /// AWS rejected the call: a defect in the deployment or in this code.
    Rejected,
}

/// Error code of an exhausted quota. Secrets Manager uses it for the versions of a secret:
/// about 100 may be younger than a day.
const LIMIT_EXCEEDED: &str = "LimitExceededException";

/// Error codes by which the three services throttle, in addition to those that contain
/// "Throttl".
const THROTTLING: [&str; 7] = [
    "BandwidthLimitExceeded",
    "OverLimit",
    "ProvisionedThroughputExceeded", // as a transaction's cancellation reason
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "TooManyRequestsException",
];

/// Error codes for temporary failures that come with a 4xx status, or as part of another
/// response. A 5xx status is temporary whatever its code.
const UNAVAILABLE: [&str; 13] = [
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalServiceError",
    "PriorRequestNotComplete",
    "ReplicatedWriteConflictException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    // Only if none of the transaction's writes gives a reason.
    "TransactionCanceledException",
    "TransactionConflict", // as a transaction's cancellation reason
    // A single write met a transaction on the same item.
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// Error codes that blame the content of the request. The same request fails every time, so
/// retrying does not help. Any other rejection (a missing permission, a disabled key) ends
/// once the operator has fixed the deployment.
const BLAMING: [&str; 8] = [
    "BatchRequestTooLong",
    "InvalidAttributeValue",
    "InvalidMessageContents",
    "InvalidParameterException",
    "InvalidParameterValue",
    "InvalidRequestException",
    "SerializationException",
    "ValidationException",
];

impl StoreError {
    /// Other writers kept changing the same items until the retries ran out. Retrying later
    /// helps.
    pub(crate) fn conflict(operation: &'static str) -> Self {
        AwsError::unavailable(operation, "other writers kept changing it").into()
    }
}

impl AwsError {
    /// An error that AWS reported as a code within another response, without a status.
    pub(super) fn from_code(operation: &'static str, code: &str) -> Self {
        Self {
            operation,
            kind: kind_of(code),
            blames_request: blames_request(code),
            code: Some(code.to_owned()),
            source: BoxError::from(code).into(),
        }
    }

    /// A temporary failure, whatever the code in `source` says.
    pub(super) fn unavailable(operation: &'static str, source: impl Into<BoxError>) -> Self {
        Self {
            operation,
            kind: AwsErrorKind::Unavailable,
            blames_request: false,
            code: None,
            source: source.into().into(),
        }
    }

    /// How callers should treat the error.
    #[must_use]
    pub fn kind(&self) -> AwsErrorKind {
        self.kind
    }

    /// AWS's error code. `None` if AWS did not respond.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether AWS blames the content of the request, so that no retry can succeed.
    #[must_use]
    pub fn blames_request(&self) -> bool {
        self.blames_request
    }
}

/// Strips the prefix that SQS still uses for some codes, from its former query protocol.
fn short(code: &str) -> &str {
    code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code)
}

fn kind_of(code: &str) -> AwsErrorKind {
    let code = short(code);
    if code == LIMIT_EXCEEDED {
        AwsErrorKind::LimitExceeded
    } else if code.contains("Throttl") || THROTTLING.contains(&code) {
        // `ThrottlingException`, `RequestThrottled`, `KMS.ThrottlingException`, …
        AwsErrorKind::Throttled
    } else if UNAVAILABLE.contains(&code) {
        AwsErrorKind::Unavailable
    } else {
        AwsErrorKind::Rejected
    }
}

/// Classifies an error response. The code says more than the status, because DynamoDB
/// answers most errors with a 400.
fn kind_of_response(status: u16, code: Option<&str>) -> AwsErrorKind {
    match code.map(kind_of) {
        // No code: the page of a proxy or load balancer, not the service's own response.
        None => AwsErrorKind::Unavailable,
        Some(AwsErrorKind::Rejected) if status == 429 => AwsErrorKind::Throttled,
        Some(AwsErrorKind::Rejected) if status >= 500 => AwsErrorKind::Unavailable,
        Some(kind) => kind,
    }
}

fn blames_request(code: &str) -> bool {
    BLAMING.contains(&short(code))
}

/// Converts an error to a [`StoreError`] and adds the operation that failed.
pub(super) trait During<T> {
    fn during(self, operation: &'static str) -> Result<T, StoreError>;
}

impl<T, E> During<T> for Result<T, SdkError<E, HttpResponse>>
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    fn during(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| {
            let code = error.as_service_error().and_then(|error| error.code());
            let kind = match &error {
                SdkError::TimeoutError(_)
                | SdkError::DispatchFailure(_)
                | SdkError::ResponseError(_) => AwsErrorKind::Unavailable,
                SdkError::ServiceError(service) => {
                    kind_of_response(service.raw().status().as_u16(), code)
                }
                _ => AwsErrorKind::Rejected,
            };
            StoreError::Aws(AwsError {
                operation,
                kind,
                blames_request: code.is_some_and(blames_request),
                code: code.map(str::to_owned),
                source: BoxError::from(error).into(),
            })
        })
    }
}

/// Data that was read or was to be written does not have the expected form. `?` converts
/// any error to it.
#[derive(Debug)]
pub(super) struct Malformed(BoxError);

impl<E: Into<BoxError>> From<E> for Malformed {
    fn from(reason: E) -> Self {
        Self(reason.into())
    }
}

impl<T> During<T> for Result<T, Malformed> {
    fn during(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|Malformed(reason)| StoreError::Malformed {
            operation,
            reason: reason.into(),
        })
    }
}

/// Whether an SDK call failed with this error code.
pub(super) fn has_code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, code: &str) -> bool {
    error.as_service_error().and_then(|error| error.code()) == Some(code)
}

/// Whether a conditional write was made. `false` if its condition failed.
pub(super) fn written<T, E: ProvideErrorMetadata, R>(
    result: Result<T, SdkError<E, R>>,
) -> Result<bool, SdkError<E, R>> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if has_code(&error, "ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(error),
    }
}

impl fmt::Display for AwsError {
    /// Prints the whole chain of causes, because an SDK error alone says only "service error"
    /// or the like.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed ({:?})", self.operation, self.kind)?;
        let mut source: Option<&(dyn StdError + 'static)> = Some(self.source.as_ref());
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl StdError for AwsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_outweighs_status() {
        use AwsErrorKind::{LimitExceeded, Rejected, Throttled, Unavailable};
        let table = [
            // DynamoDB
            (400, "ProvisionedThroughputExceededException", Throttled),
            (400, "RequestLimitExceeded", Throttled),
            (400, "ThrottlingException", Throttled),
            (400, "LimitExceededException", LimitExceeded),
            (400, "ReplicatedWriteConflictException", Unavailable),
            (400, "TransactionConflictException", Unavailable),
            (400, "TransactionInProgressException", Unavailable),
            (500, "InternalServerError", Unavailable),
            (503, "ServiceUnavailable", Unavailable),
            (400, "AccessDeniedException", Rejected),
            (400, "ItemCollectionSizeLimitExceededException", Rejected),
            (400, "ResourceNotFoundException", Rejected),
            (400, "ValidationException", Rejected),
            // Secrets Manager
            (500, "InternalServiceError", Unavailable),
            (400, "DecryptionFailure", Rejected),
            (400, "EncryptionFailure", Rejected),
            (400, "InvalidRequestException", Rejected),
            // SQS
            (400, "KMS.ThrottlingException", Throttled),
            (403, "OverLimit", Throttled),
            (403, "AWS.SimpleQueueService.OverLimit", Throttled),
            (403, "RequestThrottled", Throttled),
            (400, "KMS.DisabledException", Rejected),
            (400, "AWS.SimpleQueueService.NonExistentQueue", Rejected),
            // Any of them
            (408, "RequestTimeout", Unavailable),
            (429, "TooManyRequestsException", Throttled),
            (429, "SomethingNew", Throttled),
            (500, "SomethingNew", Unavailable),
            (503, "SlowDown", Throttled),
            (400, "SomethingNew", Rejected),
        ];
        for (status, code, kind) in table {
            assert_eq!(
                kind_of_response(status, Some(code)),
                kind,
                "{status} {code}"
            );
        }
        assert_eq!(kind_of_response(502, None), Unavailable);
    }

    #[test]
    fn codes_without_a_status_are_classified() {
        for (code, kind) in [
            ("ProvisionedThroughputExceeded", AwsErrorKind::Throttled),
            ("ThrottlingError", AwsErrorKind::Throttled),
            ("TransactionConflict", AwsErrorKind::Unavailable),
            ("TransactionCanceledException", AwsErrorKind::Unavailable),
            ("InternalError", AwsErrorKind::Unavailable),
            ("ValidationError", AwsErrorKind::Rejected),
        ] {
            assert_eq!(AwsError::from_code("Test", code).kind(), kind, "{code}");
        }
    }

    #[test]
    fn only_codes_about_the_request_blame_it() {
        for code in [
            "ValidationException",
            "AWS.SimpleQueueService.BatchRequestTooLong",
        ] {
            assert!(blames_request(code), "{code}");
        }
        for code in [
            "AccessDeniedException",
            "KMS.DisabledException",
            "TransactionConflict",
        ] {
            assert!(!blames_request(code), "{code}");
        }
    }
}
