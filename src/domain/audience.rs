//! Which of the endpoints that subscribe to an event's type it is for.

use super::channel::Channels;
use super::id::EndpointId;

/// Narrows an event down. By default, it is for all endpoints that subscribe to its type
/// and have no channels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    /// Its channels. Endpoints that have channels too get it only if they have one of
    /// these.
    pub channels: Channels,
    /// The only endpoint that it is for.
    pub only: Option<EndpointId>,
}

impl Audience {
    /// Whether an endpoint with these channels is part of it.
    #[must_use]
    pub fn includes(&self, endpoint: EndpointId, channels: &Channels) -> bool {
        let is_named = self.only.is_none_or(|only| only == endpoint);
        is_named && (channels.is_empty() || channels.meet(&self.channels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_and_the_named_endpoint_narrow_an_event_down() {
        let (id, other) = (EndpointId::new(), EndpointId::new());
        for (of_event, only, of_endpoint, is_included) in [
            (&[][..], None, &[][..], true),
            (&["a"], None, &[], true),
            (&[], None, &["a"], false),
            (&["a", "b"], None, &["b", "c"], true),
            (&["a"], None, &["b"], false),
            (&[], Some(id), &[], true),
            (&[], Some(other), &[], false),
            (&["a"], Some(id), &["a"], true),
            (&["a"], Some(other), &["a"], false),
            // Naming it does not make up for its channels.
            (&[], Some(id), &["a"], false),
        ] {
            let channels =
                |names: &[&str]| Channels::parse("channels", names.iter().copied()).unwrap();
            let audience = Audience {
                channels: channels(of_event),
                only,
            };
            let found = audience.includes(id, &channels(of_endpoint));
            assert_eq!(found, is_included, "{audience:?} {of_endpoint:?}");
        }
    }
}
