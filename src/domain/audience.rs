//! Restrictions of an event to some of the endpoints that subscribe to its type.

use super::channel::Channels;
use super::id::EndpointId;

/// Which endpoints an event is for. By default, all that subscribe to its type and have no
/// channels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    /// The event's channels. An endpoint with channels gets the event only if they have one in
    /// common.
    pub channels: Channels,
    /// The only endpoint that the event is for. `None`: no restriction.
    pub only: Option<EndpointId>,
}

impl Audience {
    /// Whether the audience includes an endpoint with these channels.
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
    fn channels_and_the_named_endpoint_restrict_an_event() {
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
            // Naming an endpoint does not override its channels.
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
