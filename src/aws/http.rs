//! The HTTP client of all AWS calls.

use aws_config::Region;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient, http_client_fn};

/// Amazon's own roots. The system's, some 150, take most of a cold start to
/// read.
const AMAZON_ROOTS: &str = include_str!("amazon_roots.pem");

/// A client for AWS in `region`, or at `endpoint_url` in its place.
pub(super) fn http_client(region: &Region, endpoint_url: Option<&str>) -> SharedHttpClient {
    // In development, of somebody who is not certified by Amazon.
    let elsewhere = endpoint_url.is_some_and(|url| url.starts_with("https:"));
    let roots = if !elsewhere && is_commercial(region) {
        TrustStore::empty().with_pem_certificate(AMAZON_ROOTS)
    } else {
        TrustStore::default()
    };
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    let client = match TlsContext::builder().with_trust_store(roots).build() {
        Ok(tls) => builder.tls_context(tls).build_https(),
        Err(_) => builder.build_https(),
    };
    // Not `client` itself: each client of a service would have it make a connector,
    // roots included, only to see whether it can.
    http_client_fn(move |settings, components| client.http_connector(settings, components))
}

/// Whether it is of the partition `aws`. Those of others (China, GovCloud, the
/// European sovereign cloud) have more parts or other beginnings; what they prove
/// themselves with is left to the system's roots.
fn is_commercial(region: &Region) -> bool {
    let mut parts = region.as_ref().split('-');
    let area = parts.next().unwrap_or_default();
    parts.count() == 2 && ["af", "ap", "ca", "eu", "il", "me", "mx", "sa", "us"].contains(&area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_other_partitions_are_not_commercial() {
        for region in [
            "us-east-1",
            "eu-central-2",
            "ap-southeast-7",
            "mx-central-1",
        ] {
            assert!(is_commercial(&Region::new(region)), "{region}");
        }
        for region in [
            "cn-north-1",
            "us-gov-west-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "eusc-de-east-1",
            "",
        ] {
            assert!(!is_commercial(&Region::new(region)), "{region}");
        }
    }

    #[test]
    fn amazons_roots_are_those_that_mozilla_trusts() {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject;

        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(AMAZON_ROOTS.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        assert_eq!(roots.len(), 5);
        for root in roots.roots {
            assert!(
                webpki_roots::TLS_SERVER_ROOTS.contains(&root),
                "{:?}",
                String::from_utf8_lossy(&root.subject)
            );
        }
    }
}
