//! Which web pages may call the API from a browser.

use std::str::FromStr;

use url::Url;

/// Origins that one deployment can list.
const MOST: usize = 20;

/// The origins whose pages may read the API's answers. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// No page of another origin.
    #[default]
    None,
    /// Every page. Callers still need a key, and browsers never send one by themselves.
    Any,
    /// The pages of these origins.
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
        let are_sound = origins.len() <= MOST && origins.iter().all(|origin| is_origin(origin));
        match are_sound {
            true => Ok(Self::Only(origins)),
            false => Err(InvalidOrigins),
        }
    }
}

/// Whether a browser would send exactly this: it compares byte by byte, so that a slash at
/// the end or a default port would match no page, and nobody would know why.
fn is_origin(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    // A URL may have such a host, but no page does.
    let has_wildcard = text.contains('*');
    let is_web = ["http", "https"].contains(&url.scheme());
    is_web && !has_wildcard && url.origin().ascii_serialization() == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_listed_exactly() {
        assert_eq!("".parse(), Ok(AllowedOrigins::None));
        assert_eq!("*".parse(), Ok(AllowedOrigins::Any));
        let listed = "https://app.example.com,http://localhost:5173,https://[2001:db8::1]:8443";
        let origins = listed.split(',').map(str::to_owned).collect();
        assert_eq!(listed.parse(), Ok(AllowedOrigins::Only(origins)));
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
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
