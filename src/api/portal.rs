//! Serves the customer portal: the files of `portal/` with the operator's branding. No AWS calls,
//! and no authentication: the files are public, and the page gets its data from the API.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, LOCATION, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use miniz_oxide::deflate::compress_to_vec_zlib;
use sha2::{Digest, Sha256};

use super::error::ApiError;
use crate::domain::branding::Branding;

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../portal/", $name)))),+]
    };
}

/// The page. Its placeholders are `{version}`, `{title}` and `{logo}`.
const INDEX: &str = "index.html";

/// The style sheet. The operator's colours are appended to it.
const STYLE: &str = "portal.css";

/// Every file of `portal/`.
const FILES: &[(&str, &str)] = files![
    "api.js",
    "app.js",
    "dialog.js",
    "dom.js",
    "favicon.svg",
    "feedback.js",
    "field.js",
    "format.js",
    "header.js",
    "health.js",
    "index.html",
    "live.js",
    "portal.css",
    "session.js",
    "snippets.js",
    "views/app.js",
    "views/apps.js",
    "views/delivery.js",
    "views/endpoint-form.js",
    "views/endpoint-options.js",
    "views/endpoint.js",
    "views/endpoints.js",
    "views/event-picker.js",
    "views/history.js",
    "views/recover.js",
    "views/rotate.js",
    "views/secret.js",
    "views/sign-in.js",
    "views/test.js",
];

/// The folder of the files that the page loads. They are served from a subfolder whose name is a
/// hash of all of them, so browsers can cache them forever and never mix files of two deployments.
const STATIC: &str = "static/";

/// For a file whose path contains the hash of its content.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// For a path whose content can change: browsers ask each time, and get a 304 if it did not.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// zlib's compression level, from 0 to 10.
const LEVEL: u8 = 9;

/// A file, plain and compressed.
struct File {
    content_type: HeaderValue,
    plain: Bytes,
    /// In zlib format, which HTTP calls `deflate`. Compressed when first requested.
    deflated: OnceLock<Bytes>,
    /// A hash of the content, for the `ETag`.
    tag: String,
}

impl File {
    fn new(name: &str, plain: Bytes) -> Self {
        let content_type = match name.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("html") => "text/html; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        };
        Self {
            content_type: HeaderValue::from_static(content_type),
            tag: tag([&*plain]),
            plain,
            deflated: OnceLock::new(),
        }
    }

    fn deflated(&self) -> Bytes {
        let deflate = || compress_to_vec_zlib(&self.plain, LEVEL).into();
        self.deflated.get_or_init(deflate).clone()
    }
}

/// The first half of a SHA-256, in hexadecimal digits.
fn tag<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The portal with the operator's branding. Built on the first request for it, because most
/// processes never get one and their cold start should not pay for it.
struct Portal {
    version: String,
    index: File,
    /// The files that the page loads, by name.
    files: BTreeMap<&'static str, File>,
    policy: HeaderValue,
}

impl Portal {
    /// # Errors
    /// If the branding can't be part of a header. The types of its values rule that out.
    fn new(branding: &Branding) -> Result<Self, ApiError> {
        let mut index = "";
        let mut files = BTreeMap::new();
        for &(name, text) in FILES {
            let content = match name {
                INDEX => {
                    index = text;
                    continue;
                }
                STYLE => format!("{text}\n{}", style(branding)).into(),
                _ => Bytes::from_static(text.as_bytes()),
            };
            files.insert(name, File::new(name, content));
        }
        let version = tag(files
            .iter()
            .flat_map(|(name, file)| [name.as_bytes(), file.tag.as_bytes()]));
        let index = index
            .replace("{version}", &version)
            .replace("{logo}", &escaped(branding.logo.url().unwrap_or_default()))
            // Last, because the title is free text and may itself contain a placeholder.
            .replace("{title}", &escaped(branding.title.as_str()));
        Ok(Self {
            version,
            index: File::new(INDEX, index.into()),
            files,
            policy: HeaderValue::from_str(&policy(branding)).map_err(ApiError::internal)?,
        })
    }

    /// The file at a path below `/portal/`, and whether the path contains its current hash.
    fn find(&self, path: &str) -> Option<(&File, bool)> {
        if path.is_empty() || path == INDEX {
            return Some((&self.index, false));
        }
        let (version, name) = path.strip_prefix(STATIC)?.split_once('/')?;
        // A page from before a deployment may still load files by the old hash. It gets the new
        // files, but must not cache them under the old path.
        Some((self.files.get(name)?, version == self.version))
    }

    fn answer(&self, path: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
        let (file, is_immutable) = self.find(path).ok_or(ApiError::NotFound("file"))?;
        let deflates = accepts_deflate(headers);
        // A strong ETag identifies the exact bytes, so each encoding needs its own.
        let etag = format!("\"{}{}\"", file.tag, if deflates { "-z" } else { "" });
        let common = [
            (
                CACHE_CONTROL,
                if is_immutable { FOREVER } else { REVALIDATE },
            ),
            (CONTENT_SECURITY_POLICY, self.policy.clone()),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (VARY, HeaderValue::from_static("accept-encoding")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (
                ETAG,
                HeaderValue::from_str(&etag).map_err(ApiError::internal)?,
            ),
        ];
        if is_known(headers, &etag) {
            return Ok((StatusCode::NOT_MODIFIED, common).into_response());
        }
        let kind = [(CONTENT_TYPE, file.content_type.clone())];
        if deflates {
            let encoding = [(CONTENT_ENCODING, "deflate")];
            return Ok((common, kind, encoding, file.deflated()).into_response());
        }
        Ok((common, kind, file.plain.clone()).into_response())
    }
}

/// A Content-Security-Policy that allows only the page's own scripts, styles and calls. It requires
/// Trusted Types and allows no policy for them, so no script can turn text into markup or code.
fn policy(branding: &Branding) -> String {
    let logo = branding.logo.origin().map(|origin| format!(" {origin}"));
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:{}; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {}; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        logo.unwrap_or_default(),
        branding.frame_ancestors.sources(),
    )
}

fn style(branding: &Branding) -> String {
    let palette = branding.accent.palette();
    format!(
        ":root {{ --accent: {}; --on-accent: {}; --accent-on-light: {}; --accent-on-dark: {}; }}\n",
        palette.accent, palette.on_accent, palette.on_light, palette.on_dark,
    )
}

/// Escapes text for HTML, including attribute values.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Whether the client accepts `deflate`, which it does not if its weight is 0. Other weights make
/// no difference, because there is only one encoding to choose.
fn accepts_deflate(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let codings = values.filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let is_refused = weight.trim().starts_with("q=0")
            && weight.trim()[3..].bytes().all(|b| matches!(b, b'0' | b'.'));
        name.trim().eq_ignore_ascii_case("deflate") && !is_refused
    })
}

/// Whether `If-None-Match` contains this ETag, by weak comparison (RFC 9110, section 13.1.2).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter();
    let tags = values.filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}

pub(super) fn routes<S: Clone + Send + Sync + 'static>(branding: Branding) -> Router<S> {
    let portal = Arc::new(LazyLock::new(move || Portal::new(&branding)));
    let serve = move |path: &str, headers: &HeaderMap| match &**portal {
        Ok(portal) => portal.answer(path, headers),
        Err(_) => Err(ApiError::internal("the portal's branding can't be served")),
    };
    let index = serve.clone();
    Router::new()
        // A relative redirect, because API Gateway may serve the API below a stage. The browser
        // keeps the fragment, which contains the session token.
        .route(
            "/portal",
            get(async || (StatusCode::PERMANENT_REDIRECT, [(LOCATION, "portal/")])),
        )
        .route(
            "/portal/",
            get(move |headers: HeaderMap| async move { index("", &headers) }),
        )
        .route(
            "/portal/{*path}",
            get(
                move |Path(path): Path<String>, headers: HeaderMap| async move {
                    serve(&path, &headers)
                },
            ),
        )
}
