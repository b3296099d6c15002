//! The request bodies of create and update.

use super::body::Body;
use super::error::ApiError;
use super::secrets::Creation;
use super::{own_headers, secrets};
use crate::domain::address::AddressPolicy;
use crate::domain::app::Metadata;
use crate::domain::channel::Channels;
use crate::domain::endpoint::{EndpointPatch, NewEndpoint};
use crate::domain::event_type::Subscriptions;
use crate::domain::filter::Filter;
use crate::domain::labels::{Labels, parse_description, parse_endpoint_metadata};
use crate::domain::own_headers::OwnHeaders;
use crate::domain::rate_limit::RateLimit;
use crate::domain::target_url::TargetUrl;
use crate::domain::validation::FieldError;

/// Fields that an update ignores, so that a client can change what get returned and send it back.
pub const READ_ONLY: &[&str] = &[
    "id",
    "createdAt",
    "updatedAt",
    "inactiveSince",
    "disabledReason",
    "disabledAt",
    "slowSince",
    "failingSince",
    "pausedAt",
    "nextProbeAt",
    "previousSecretExpiresAt",
    "headerNames",
];

/// Takes the event types, without duplicates, and the index of each in the request, for errors that
/// are found later.
fn take_events(body: &mut Body) -> Option<(Subscriptions, Vec<usize>)> {
    body.strings("events", |texts| {
        let texts: Vec<_> = texts.collect();
        let events = Subscriptions::parse("events", texts.iter().copied())?;
        let first = |pattern| texts.iter().position(|text| *text == pattern);
        let positions = events.iter().filter_map(first).collect();
        Ok((events, positions))
    })
}

fn take_metadata(body: &mut Body) -> Option<Metadata> {
    let json = body.raw("metadata")?;
    body.check_all(parse_endpoint_metadata(json.get()))
}

/// Takes channels. Null means none.
fn take_channels(body: &mut Body) -> Option<Channels> {
    let parse = |texts: &mut dyn Iterator<Item = &str>| Channels::parse_some("channels", texts);
    let channels = body.strings_or_null("channels", parse)?;
    Some(channels.unwrap_or_default())
}

/// Takes a filter. Null, which means none, is `Some(None)`.
pub(super) fn take_filter(body: &mut Body) -> Option<Option<Filter>> {
    let json = body.raw("filter")?;
    if json.get() == "null" {
        return Some(None);
    }
    body.check_all(Filter::parse(json.get())).map(Some)
}

/// Parses the body of a create. Also returns the index of each event type in the request.
pub(super) fn parse_new(
    mut body: Body,
    policy: AddressPolicy,
) -> Result<(Creation, Vec<usize>), ApiError> {
    body.require(&["url", "events"]);
    let url = body.string("url", |text| TargetUrl::parse(text, policy));
    let events = take_events(&mut body);
    let active = body.boolean("active");
    let rate_limit = body.number_or_null("rateLimit", RateLimit::new);
    let description = body.string_or_null("description", parse_description);
    let metadata = take_metadata(&mut body);
    let channels = take_channels(&mut body);
    let filter = take_filter(&mut body);
    let own_secret = secrets::take_secret(&mut body);
    let headers = own_headers::take(&mut body);
    let new = url.zip(events);
    body.finish(new.map(|(url, (events, positions))| {
        let new = NewEndpoint {
            url,
            events,
            active: active.unwrap_or(true),
            rate_limit: rate_limit.flatten(),
            labels: Labels {
                description: description.flatten(),
                metadata: metadata.unwrap_or_default(),
            },
            channels: channels.unwrap_or_default(),
            filter: filter.flatten(),
        };
        let creation = Creation {
            new,
            own_secret,
            headers: headers.flatten(),
        };
        (creation, positions)
    }))
}

/// The patch, the index of each event type in the request, and the headers: `None` to keep them,
/// `Some(None)` to remove them.
pub(super) type ParsedPatch = (EndpointPatch, Vec<usize>, Option<Option<OwnHeaders>>);

/// The errors that the API would report about the body of a create, except about event types that
/// are not in the catalogue.
#[must_use]
pub fn check_new_endpoint(body: &[u8], policy: AddressPolicy) -> Vec<FieldError> {
    match Body::parse(body).and_then(|body| parse_new(body, policy)) {
        Err(ApiError::Validation(errors)) => errors,
        // Parsing returns no other errors.
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// Parses the body of an update.
pub(super) fn parse_patch(mut body: Body, policy: AddressPolicy) -> Result<ParsedPatch, ApiError> {
    body.ignore(READ_ONLY);
    let url = body.string("url", |text| TargetUrl::parse(text, policy));
    let (events, positions) = take_events(&mut body).unzip();
    let patch = EndpointPatch {
        url,
        events,
        active: body.boolean("active"),
        rate_limit: body.number_or_null("rateLimit", RateLimit::new),
        description: body.string_or_null("description", parse_description),
        metadata: take_metadata(&mut body),
        channels: take_channels(&mut body),
        filter: take_filter(&mut body),
    };
    let headers = own_headers::take(&mut body);
    if patch.is_empty() && headers.is_none() && body.is_valid() {
        body.error("body", "must set at least one field that can be changed");
    }
    body.finish(Some((patch, positions.unwrap_or_default(), headers)))
}
