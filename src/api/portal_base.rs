//! The address of the portal, for links to it.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;

use super::Api;
use super::error::ApiError;
use super::single_header::single_header;

/// The address that the request came in by, if it is known. It comes from API Gateway's request
/// context, not from the `Host` header, which a client writes: the links contain a session token,
/// so they must not lead to a foreign host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GatewayAddress(Option<String>);

impl GatewayAddress {
    /// Builds the address from a domain and a stage.
    ///
    /// On API Gateway's own domains, the stage is the first segment of the path, unless it is
    /// `$default`. A custom domain may map the API to another path instead, which is not in the
    /// context; then the operator has to set `PORTAL_URL`.
    pub(super) fn of(domain: Option<&str>, stage: Option<&str>) -> Self {
        let address = || {
            let domain = domain.filter(|domain| is_made_of(domain, b"-."))?;
            let path = match stage {
                None | Some("$default") => String::new(),
                Some(_) if !domain.contains(".execute-api.") => String::new(),
                Some(stage) if is_made_of(stage, b"-_") => format!("/{stage}"),
                Some(_) => return None,
            };
            Some(format!("https://{domain}{path}"))
        };
        Self(address())
    }
}

/// Whether the text is not empty and consists of ASCII letters, digits and `others`.
fn is_made_of(text: &str, others: &[u8]) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}

/// The portal's base URL: the configured one, or else the address of the request.
pub(super) struct PortalBase(pub(super) String);

impl FromRequestParts<Api> for PortalBase {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        if let Some(url) = &api.portal_url {
            return Ok(Self(url.as_str().to_owned()));
        }
        let address = match parts.extensions.get() {
            Some(GatewayAddress(address)) => address.clone(),
            // Only a local run is not behind API Gateway.
            None => host(&parts.headers).map(|host| format!("http://{host}")),
        };
        address.map(Self).ok_or_else(|| {
            ApiError::invalid("Host", "must be a host name, or PORTAL_URL must be set")
        })
    }
}

fn host(headers: &HeaderMap) -> Option<Authority> {
    let host = single_header(headers, HOST).ok()??;
    let host = Authority::from_str(host).ok()?;
    (!host.as_str().contains('@')).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com";

    #[test]
    fn stage_is_in_the_path_only_on_api_gateway_domains() {
        for (domain, stage, address) in [
            (OWN, Some("$default"), format!("https://{OWN}")),
            (OWN, None, format!("https://{OWN}")),
            (OWN, Some("prod"), format!("https://{OWN}/prod")),
            (
                "hooks.example.com",
                Some("prod"),
                "https://hooks.example.com".to_owned(),
            ),
        ] {
            let found = GatewayAddress::of(Some(domain), stage);
            assert_eq!(found, GatewayAddress(Some(address)));
        }
    }

    #[test]
    fn invalid_domains_and_stages_yield_no_address() {
        const NONE: GatewayAddress = GatewayAddress(None);
        for domain in ["", "a b", "a/b", "a@b", "a:1", "[::1]", "a#b", "é", "a\n"] {
            assert_eq!(GatewayAddress::of(Some(domain), None), NONE, "{domain}");
        }
        for stage in ["", "a/b", "..", "a#b", "$other"] {
            assert_eq!(GatewayAddress::of(Some(OWN), Some(stage)), NONE, "{stage}");
        }
        assert_eq!(GatewayAddress::of(None, Some("prod")), NONE);
    }
}
