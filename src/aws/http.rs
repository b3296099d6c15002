//! The HTTP client for AWS calls.

use aws_config::Region;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient, http_client_fn};

/// Amazon's five root certificates. Loading the system's, about 150, would take most of a
/// cold start.
const AMAZON_ROOTS: &str = include_str!("amazon_roots.pem");

/// A client for AWS in `region`, or for `endpoint_url` if there is one.
pub(super) fn http_client(region: &Region, endpoint_url: Option<&str>) -> SharedHttpClient {
    // In development, the endpoint's certificate is not issued by Amazon.
    let other_issuer = endpoint_url.is_some_and(|url| url.starts_with("https:"));
    let roots = if !other_issuer && is_commercial(region) {
        TrustStore::empty().with_pem_certificate(AMAZON_ROOTS)
    } else {
        TrustStore::default()
    };
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    let client = match TlsContext::builder().with_trust_store(roots).build() {
        Ok(tls) => builder.tls_context(tls).build_https(),
        Err(_) => builder.build_https(),
    };
    // Wrap `client` instead of returning it. Every service client validates its HTTP client
    // when it is built, by building a connector, which would load the roots each time. A
    // client made by `http_client_fn` has no such validation.
    http_client_fn(move |settings, components| client.http_connector(settings, components))
}

/// Whether the region belongs to the `aws` partition. Region names of other
/// partitions (China, GovCloud, the European Sovereign Cloud) have more parts or
/// other prefixes. We use the system's roots there, because we don't know which
/// authority issues the certificates.
fn is_commercial(region: &Region) -> bool {
    let mut parts = region.as_ref().split('-');
    let area = parts.next().unwrap_or_default();
    parts.count() == 2 && ["af", "ap", "ca", "eu", "il", "me", "mx", "sa", "us"].contains(&area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regions_of_the_aws_partition_are_commercial() {
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
    fn mozilla_trusts_all_amazon_roots() {
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
