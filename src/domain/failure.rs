//! Failures of attempts that got no usable response.

/// Why an attempt got no usable response. API clients see these messages, so they reveal nothing
/// about addresses, the operator's network or the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The host name has no address.
    #[error("the host name could not be resolved")]
    Dns,
    /// No DNS server answered in time.
    #[error("the host name could not be resolved within the time limit")]
    DnsTimeout,
    /// The host is an address that the policy refuses, or resolves to one.
    #[error("the host has, or resolves to, a private or reserved address")]
    RefusedAddress,
    /// The host name has no IPv4 address.
    #[error("the host has only IPv6 addresses, and deliveries go out over IPv4")]
    Ipv6Only,
    /// Nothing listens on the port.
    #[error("the receiver refused the connection")]
    ConnectionRefused,
    /// The TCP connection was not established in time.
    #[error("could not connect to the receiver within the time limit")]
    ConnectTimeout,
    /// The TCP connection failed for another reason.
    #[error("could not connect to the receiver")]
    Connect,
    /// The certificate has expired.
    #[error("the receiver's certificate has expired")]
    CertificateExpired,
    /// The certificate's validity period has not begun.
    #[error("the receiver's certificate is not valid yet")]
    CertificateNotYetValid,
    /// The certificate chain does not lead to a trusted authority.
    #[error(
        "the issuer of the receiver's certificate is not known; most often, the receiver does \
         not send the intermediate certificate, or the certificate is self-signed"
    )]
    CertificateUnknownIssuer,
    /// The certificate is for another host name.
    #[error("the receiver's certificate is for another host name")]
    CertificateWrongName,
    /// The certificate is invalid for another reason.
    #[error("the receiver's certificate is not valid for a server, or is self-signed")]
    CertificateInvalid,
    /// Both sides have no TLS version or cipher suite in common.
    #[error("the receiver supports no TLS version or cipher suite that we support")]
    TlsIncompatible,
    /// The answer to the TLS handshake is not TLS.
    #[error("the receiver does not use TLS at this port")]
    NotTls,
    /// The TLS handshake was not complete in time.
    #[error("connected, but the TLS handshake was not complete within the time limit")]
    TlsTimeout,
    /// The TLS handshake failed for another reason.
    #[error("the TLS handshake failed")]
    Tls,
    /// The receiver did not read the whole request in time.
    #[error("connected, but the receiver did not take the request within the time limit")]
    SendTimeout,
    /// The request was sent, but no response began in time.
    #[error("the request was sent, but no response came within the time limit")]
    ResponseTimeout,
    /// The head of the response was not complete in time.
    #[error("the response began, but its headers were not complete within the time limit")]
    HeadTimeout,
    /// The deadline passed, at an unknown stage. Only earlier versions recorded this.
    #[error("the receiver did not complete its response within the time limit")]
    Timeout,
    /// The connection closed before the response began.
    #[error("the receiver closed the connection without a response")]
    Closed,
    /// The connection closed within the head of the response.
    #[error("the receiver closed the connection before the response headers were complete")]
    ClosedInHead,
    /// The response has no HTTP status line.
    #[error("the response is not HTTP")]
    NotHttp,
    /// The head of the response exceeds the limits before its status is known.
    #[error("the response headers are too large")]
    HeadTooLarge,
    /// The exchange broke off in any other way.
    #[error("the connection broke before the response was complete")]
    BrokenAnswer,
}

impl Failure {
    /// All variants, for parsing and tests.
    pub const ALL: [Self; 25] = [
        Self::Dns,
        Self::DnsTimeout,
        Self::RefusedAddress,
        Self::Ipv6Only,
        Self::ConnectionRefused,
        Self::ConnectTimeout,
        Self::Connect,
        Self::CertificateExpired,
        Self::CertificateNotYetValid,
        Self::CertificateUnknownIssuer,
        Self::CertificateWrongName,
        Self::CertificateInvalid,
        Self::TlsIncompatible,
        Self::NotTls,
        Self::TlsTimeout,
        Self::Tls,
        Self::SendTimeout,
        Self::ResponseTimeout,
        Self::HeadTimeout,
        Self::Timeout,
        Self::Closed,
        Self::ClosedInHead,
        Self::NotHttp,
        Self::HeadTooLarge,
        Self::BrokenAnswer,
    ];

    /// The name used in the API, the table and logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::DnsTimeout => "dns_timeout",
            Self::RefusedAddress => "refused_address",
            Self::Ipv6Only => "ipv6_only",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::Connect => "connect",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateNotYetValid => "certificate_not_yet_valid",
            Self::CertificateUnknownIssuer => "certificate_unknown_issuer",
            Self::CertificateWrongName => "certificate_wrong_name",
            Self::CertificateInvalid => "certificate_invalid",
            Self::TlsIncompatible => "tls_incompatible",
            Self::NotTls => "not_tls",
            Self::TlsTimeout => "tls_timeout",
            Self::Tls => "tls",
            Self::SendTimeout => "send_timeout",
            Self::ResponseTimeout => "response_timeout",
            Self::HeadTimeout => "head_timeout",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::ClosedInHead => "closed_in_head",
            Self::NotHttp => "not_http",
            Self::HeadTooLarge => "head_too_large",
            Self::BrokenAnswer => "broken_answer",
        }
    }

    /// Parses the output of [`Self::code`].
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.code() == code)
    }

    /// The group by which metrics count the failure. There are few groups, because CloudWatch
    /// charges for each metric.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            Self::Dns | Self::DnsTimeout | Self::Ipv6Only => "dns",
            Self::RefusedAddress => "refused_address",
            Self::ConnectionRefused | Self::ConnectTimeout | Self::Connect => "connect",
            Self::CertificateExpired
            | Self::CertificateNotYetValid
            | Self::CertificateUnknownIssuer
            | Self::CertificateWrongName
            | Self::CertificateInvalid
            | Self::TlsIncompatible
            | Self::NotTls
            | Self::TlsTimeout
            | Self::Tls => "tls",
            Self::SendTimeout | Self::ResponseTimeout | Self::HeadTimeout | Self::Timeout => {
                "timeout"
            }
            Self::Closed
            | Self::ClosedInHead
            | Self::NotHttp
            | Self::HeadTooLarge
            | Self::BrokenAnswer => "broken_answer",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn failure_codes_round_trip() {
        for failure in Failure::ALL {
            assert_eq!(Failure::from_code(failure.code()), Some(failure));
        }
        assert_eq!(Failure::from_code("other"), None);
    }

    #[test]
    fn failures_have_different_messages() {
        let messages: BTreeSet<_> = Failure::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(messages.len(), Failure::ALL.len());
    }

    #[test]
    fn codes_of_earlier_versions_are_still_read() {
        for code in [
            "dns",
            "refused_address",
            "connect",
            "tls",
            "timeout",
            "broken_answer",
        ] {
            let failure = Failure::from_code(code);
            assert_eq!(failure.map(Failure::group), Some(code));
        }
    }
}
