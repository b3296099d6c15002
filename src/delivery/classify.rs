//! Translates errors of the HTTP client into failures of the receiver.

use std::error::Error as StdError;
use std::io;

use hyper_util::client::legacy;
use rustls::{AlertDescription, CertificateError};

use super::egress::{EgressError, is_out_of_descriptors};
use super::progress::{Progress, Reached};
use super::sender::SendError;
use crate::domain::delivery::{Answer, BodyNote, Verdict};
use crate::domain::failure::Failure;

/// Whether the receiver certainly did not process the request, although we had a
/// connection to it. The client itself retries only requests of which it sent nothing.
pub(super) fn is_unprocessed(error: &legacy::Error) -> bool {
    causes(error).any(|cause| {
        // The connection closed before anything was written.
        cause.downcast_ref().is_some_and(hyper::Error::is_canceled)
            || cause.downcast_ref().is_some_and(is_nack)
    })
}

/// RFC 9113, 8.7: a refused stream was not processed, and neither was one above the last
/// stream id of a GOAWAY. The library reports a GOAWAY only to such streams.
fn is_nack(error: &h2::Error) -> bool {
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (refused || error.is_go_away())
}

/// The failure of an attempt that had come this far when its deadline passed.
pub(super) fn timeout_after(reached: Reached) -> Failure {
    match reached {
        Reached::Resolving => Failure::DnsTimeout,
        Reached::Connecting => Failure::ConnectTimeout,
        Reached::Handshaking => Failure::TlsTimeout,
        Reached::Connected => Failure::SendTimeout,
        Reached::Sent => Failure::ResponseTimeout,
        Reached::Answering => Failure::HeadTimeout,
    }
}

/// Finds the failure in the error's chain of causes; the client exposes it in no other
/// way. A response with a status counts as a response, even if the client can't parse the
/// rest of it.
pub(super) fn verdict_of(error: &legacy::Error, progress: &Progress) -> Result<Verdict, SendError> {
    for cause in causes(error) {
        if let Some(failure) = failure_of(cause)? {
            return Ok(Verdict::Failed(failure));
        }
    }
    let reached = progress.reached();
    if error.is_connect() {
        return Ok(Verdict::Failed(connect_failure(error, reached)));
    }
    let parsing = causes(error).find_map(|cause| {
        cause
            .downcast_ref::<hyper::Error>()
            .filter(|error| error.is_parse())
    });
    if let Some(parsing) = parsing {
        return Ok(match progress.status() {
            Some(status) => Verdict::Answered(Answer {
                note: Some(BodyNote::InvalidHeaders),
                ..Answer::bare(status)
            }),
            None if parsing.is_parse_too_large() => Verdict::Failed(Failure::HeadTooLarge),
            None => Verdict::Failed(Failure::NotHttp),
        });
    }
    Ok(Verdict::Failed(broken_off(error, reached)))
}

/// The failure that this cause alone determines, if it does.
fn failure_of(cause: &(dyn StdError + 'static)) -> Result<Option<Failure>, SendError> {
    if let Some(egress) = cause.downcast_ref::<EgressError>() {
        return match egress {
            EgressError::NotResolved => Ok(Some(Failure::Dns)),
            EgressError::Refused => Ok(Some(Failure::RefusedAddress)),
            EgressError::Ipv6Only => Ok(Some(Failure::Ipv6Only)),
            EgressError::OutOfDescriptors => Err(SendError::OutOfDescriptors),
        };
    }
    if cause.downcast_ref().is_some_and(is_out_of_descriptors) {
        return Err(SendError::OutOfDescriptors);
    }
    Ok(cause.downcast_ref::<rustls::Error>().map(tls_failure))
}

fn tls_failure(error: &rustls::Error) -> Failure {
    use rustls::Error as Tls;

    match error {
        Tls::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Failure::CertificateExpired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Failure::CertificateNotYetValid
            }
            CertificateError::UnknownIssuer => Failure::CertificateUnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Failure::CertificateWrongName
            }
            _ => Failure::CertificateInvalid,
        },
        Tls::PeerIncompatible(_)
        | Tls::NoApplicationProtocol
        | Tls::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity
            | AlertDescription::NoApplicationProtocol,
        ) => Failure::TlsIncompatible,
        // The receiver's first bytes are not a TLS record.
        Tls::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => Failure::NotTls,
        _ => Failure::Tls,
    }
}

fn connect_failure(error: &legacy::Error, reached: Reached) -> Failure {
    let kind = causes(error).find_map(|cause| cause.downcast_ref().map(io::Error::kind));
    match kind {
        Some(io::ErrorKind::TimedOut) => timeout_after(reached),
        // For example, the connection closed during the handshake.
        _ if reached == Reached::Handshaking => Failure::Tls,
        Some(io::ErrorKind::ConnectionRefused) => Failure::ConnectionRefused,
        _ => Failure::Connect,
    }
}

/// Why there is no response although there was a connection.
fn broken_off(error: &legacy::Error, reached: Reached) -> Failure {
    for cause in causes(error) {
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            if error.is_timeout() {
                // An HTTP/2 ping was not answered.
                return Failure::ResponseTimeout;
            }
            if error.is_incomplete_message() {
                return closed(reached);
            }
        }
        if let Some(error) = cause.downcast_ref::<h2::Error>() {
            return if error.is_remote() || error.is_io() {
                Failure::Closed
            } else if error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM) {
                // The library's own reset, for a head far beyond its limits.
                Failure::HeadTooLarge
            } else {
                Failure::NotHttp
            };
        }
        if cause.is::<io::Error>() {
            return closed(reached);
        }
    }
    Failure::BrokenAnswer
}

fn closed(reached: Reached) -> Failure {
    match reached {
        Reached::Answering => Failure::ClosedInHead,
        _ => Failure::Closed,
    }
}

/// The error and its causes, outermost first.
fn causes(error: &legacy::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    std::iter::from_fn(move || {
        let cause = next?;
        // The `source` of an I/O error is the source of the error that it wraps, so take
        // the wrapped error itself.
        next = match cause.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as _),
            None => cause.source(),
        };
        Some(cause)
    })
}
