//! The setting for web pages that call the API from a browser (CORS).

use std::str::FromStr;

use url::Url;

/// The most origins that a deployment can list.
const MOST: usize = 20;

/// The origins whose pages may read the API's responses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Only the API's own origin.
    #[default]
    None,
    /// Every origin. Callers still need a key, which browsers never send on their own.
    Any,
    /// These origins, as browsers send them.
    Only(Vec<String>),
}

/// The text is not a list of origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "* or at most 20 origins as browsers send them, separated by commas without spaces, such as \
     https://app.example.com"
)]
pub struct InvalidOrigins;

impl FromStr for AllowedOrigins {
    type Err = InvalidOrigins;

    fn from_str(text: &str) -> Result<Self, InvalidOrigins> {
        match text {
            "" => return Ok(Self::None),
            "*" => return Ok(Self::Any),
            _ => {}
        }
        let origins: Vec<_> = text.split(',').map(str::to_owned).collect();
        let are_valid = origins.len() <= MOST && origins.iter().all(|origin| is_origin(origin));
        match are_valid {
            true => Ok(Self::Only(origins)),
            false => Err(InvalidOrigins),
        }
    }
}

/// Whether a browser would send exactly this origin. The comparison is byte by byte, so an
/// origin with a trailing slash or a default port would silently match no page.
fn is_origin(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    // The URL parser accepts an asterisk in a host, but no page has such an origin.
    let has_wildcard = text.contains('*');
    let is_web = ["http", "https"].contains(&url.scheme());
    is_web && !has_wildcard && url.origin().ascii_serialization() == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_origins_parse() {
        assert_eq!("".parse(), Ok(AllowedOrigins::None));
        assert_eq!("*".parse(), Ok(AllowedOrigins::Any));
        let listed = "https://app.example.com,http://localhost:5173,https://[2001:db8::1]:8443";
        let origins = listed.split(',').map(str::to_owned).collect();
        assert_eq!(listed.parse(), Ok(AllowedOrigins::Only(origins)));
    }

    #[test]
    fn origins_that_no_browser_sends_are_rejected() {
        let many = vec!["https://example.com"; MOST + 1].join(",");
        for wrong in [
            "null",
            "*,https://example.com",
            "https://*.example.com",
            "https://example.com/",
            "https://example.com/app",
            "https://example.com:443",
            "http://example.com:80",
            "https://Example.com",
            "https://user@example.com",
            "example.com",
            "ftp://example.com",
            "file:///",
            "https://example.com, https://other.example.com",
            "https://example.com,",
            ",",
            "https://bücher.example",
            &many,
        ] {
            assert!(wrong.parse::<AllowedOrigins>().is_err(), "{wrong}");
        }
    }
}
