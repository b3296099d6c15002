//! Why a call on a store failed.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

/// A cause that several callers share.
type SharedError = Arc<dyn StdError + Send + Sync>;

/// Why a call on the table, the secrets or the queue failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The AWS call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// AWS did its part, but what is stored, or is to be stored, does not have the
    /// form that this code expects: a defect here, or an item that somebody edited.
    #[error("{operation}: {reason}")]
    Malformed {
        /// What was being done.
        operation: &'static str,
        /// What is wrong. Never quotes a value.
        reason: SharedError,
    },
}

/// An AWS call that failed after the SDK's own retries.
#[derive(Debug, Clone)]
pub struct AwsError {
    operation: &'static str,
    fault: Fault,
    blames_request: bool,
    code: Option<String>,
    source: SharedError,
}

/// What kind of fault an AWS call met, as far as callers need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// AWS throttled the call.
    Throttled,
    /// A quota is used up, and does not become free within seconds.
    LimitExceeded,
    /// AWS did not answer, or answered that it cannot right now.
    Unavailable,
    /// AWS rejected the call: a defect of the deployment or of this code.
    Rejected,
}

/// Error code of a quota. Secrets Manager reports the versions of a secret by it:
/// there can be about 100 that are younger than a day.
const LIMIT_EXCEEDED: &str = "LimitExceededException";

/// Error codes by which the three services throttle, besides those that say so.
const THROTTLING: [&str; 7] = [
    "BandwidthLimitExceeded",
    "OverLimit",
    "ProvisionedThroughputExceeded", // a cancellation reason of a transaction
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "TooManyRequestsException",
];

/// Error codes by which the three services say that they cannot right now, with a
/// status of the 4xx range or as part of another answer.
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
    // Of a cancelled transaction: none of its writes says why.
    "TransactionCanceledException",
    "TransactionConflict", // a cancellation reason of a transaction
    // A write to an item that is part of a transaction at that moment.
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// Error codes by which the three services blame what the request says. The same
/// request fails each time, so waiting does not help. Any other rejection (a missing
/// permission, a disabled key) is cured by whoever operates the deployment.
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
    /// Something else kept changing the same items, which waiting cures.
    pub(crate) fn conflict(operation: &'static str) -> Self {
        AwsError::unavailable(operation, "something else kept changing it").into()
    }
}

impl AwsError {
    /// A fault that AWS reported by an error code in a successful response.
    pub(super) fn from_code(operation: &'static str, code: &str) -> Self {
        Self {
            operation,
            fault: fault_of(code),
            blames_request: blames_request(code),
            code: Some(code.to_owned()),
            source: BoxError::from(code).into(),
        }
    }

    /// A rejection that waiting cures, whatever its code says.
    pub(super) fn unavailable(operation: &'static str, source: impl Into<BoxError>) -> Self {
        Self {
            operation,
            fault: Fault::Unavailable,
            blames_request: false,
            code: None,
            source: source.into().into(),
        }
    }

    /// What kind of fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// AWS's code of the error, if it answered.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether AWS blames what the request says, so that no later try can succeed.
    #[must_use]
    pub fn blames_request(&self) -> bool {
        self.blames_request
    }
}

/// Of some errors, SQS reports the code that its former protocol had.
fn short(code: &str) -> &str {
    code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code)
}

fn fault_of(code: &str) -> Fault {
    let code = short(code);
    if code == LIMIT_EXCEEDED {
        Fault::LimitExceeded
    } else if code.contains("Throttl") || THROTTLING.contains(&code) {
        // `ThrottlingException`, `RequestThrottled`, `KMS.ThrottlingException`, …
        Fault::Throttled
    } else if UNAVAILABLE.contains(&code) {
        Fault::Unavailable
    } else {
        Fault::Rejected
    }
}

/// The fault of an answer with an error. The code says more than the status: most
/// faults of DynamoDB are a 400.
fn fault_of_answer(status: u16, code: Option<&str>) -> Fault {
    match code.map(fault_of) {
        // A gateway's page instead of a response of the service.
        None => Fault::Unavailable,
        Some(Fault::Rejected) if status == 429 => Fault::Throttled,
        Some(Fault::Rejected) if status >= 500 => Fault::Unavailable,
        Some(fault) => fault,
    }
}

fn blames_request(code: &str) -> bool {
    BLAMING.contains(&short(code))
}

/// Names the operation in which something failed.
pub(super) trait During<T> {
    /// The error, with the operation that it happened in.
    fn during(self, operation: &'static str) -> Result<T, StoreError>;
}

impl<T, E> During<T> for Result<T, SdkError<E, HttpResponse>>
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    fn during(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| {
            let code = error.as_service_error().and_then(|error| error.code());
            let fault = match &error {
                SdkError::TimeoutError(_)
                | SdkError::DispatchFailure(_)
                | SdkError::ResponseError(_) => Fault::Unavailable,
                SdkError::ServiceError(service) => {
                    fault_of_answer(service.raw().status().as_u16(), code)
                }
                _ => Fault::Rejected,
            };
            StoreError::Aws(AwsError {
                operation,
                fault,
                blames_request: code.is_some_and(blames_request),
                code: code.map(str::to_owned),
                source: BoxError::from(error).into(),
            })
        })
    }
}

/// What is stored, or is to be stored, does not have the expected form.
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

/// Whether a conditional write was made: `false` if its condition did not hold.
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
    /// The whole chain of causes, because SDK errors say nothing by themselves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed ({:?})", self.operation, self.fault)?;
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
    fn faults_follow_from_the_code_or_else_the_status() {
        use Fault::{LimitExceeded, Rejected, Throttled, Unavailable};
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
        for (status, code, fault) in table {
            assert_eq!(
                fault_of_answer(status, Some(code)),
                fault,
                "{status} {code}"
            );
        }
        assert_eq!(fault_of_answer(502, None), Unavailable);
    }

    #[test]
    fn cancellations_and_refused_entries_have_no_status() {
        for (code, fault) in [
            ("ProvisionedThroughputExceeded", Fault::Throttled),
            ("ThrottlingError", Fault::Throttled),
            ("TransactionConflict", Fault::Unavailable),
            ("TransactionCanceledException", Fault::Unavailable),
            ("InternalError", Fault::Unavailable),
            ("ValidationError", Fault::Rejected),
        ] {
            assert_eq!(AwsError::from_code("Test", code).fault(), fault, "{code}");
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
