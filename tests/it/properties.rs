//! Arbitrary input: nothing panics, and accepted values are valid.

use axum::http::{HeaderMap, Uri};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use rustls::pki_types::{DnsName, ServerName};
use url::{Host, Url};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::address::AddressPolicy;
use webhook_endpoints::domain::api_key::ApiKey;
use webhook_endpoints::domain::event_type::{EventPattern, EventType, Subscriptions};
use webhook_endpoints::domain::id::{AppId, DeliveryId};
use webhook_endpoints::domain::message::Message;
use webhook_endpoints::domain::retry::RetrySchedule;
use webhook_endpoints::domain::signing::{SecretFormat, SigningSecret, sign_with_each};
use webhook_endpoints::domain::target_url::TargetUrl;

/// Whether a pattern matches, computed segment by segment, unlike in the service.
fn matches_by_segments(pattern: &str, event_type: &str) -> bool {
    let mut types = event_type.split('.');
    let mut patterns = pattern.split('.').peekable();
    while let Some(segment) = patterns.next() {
        if segment == "*" && patterns.peek().is_none() {
            return types.next().is_some();
        }
        if types.next() != Some(segment) {
            return false;
        }
    }
    types.next().is_none()
}

/// Text with many of the characters that have a meaning in patterns.
fn nearly_a_pattern() -> impl Strategy<Value = String> {
    "[ab.*_-]{0,8}"
}

/// A signing secret of any length, in either format.
fn any_secret() -> impl Strategy<Value = SigningSecret> {
    let standard = proptest::collection::vec(any::<u8>(), 24..=64)
        .prop_map(|key| format!("whsec_{}", STANDARD.encode(key)));
    let standard = standard.prop_map(|text| (text, SecretFormat::Standard));
    let text = "[!-~]{16,128}".prop_map(|text| (text, SecretFormat::Text));
    prop_oneof![standard, text]
        .prop_map(|(text, format)| SigningSecret::parse(&text, format).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn patterns_match_by_segments(
        pattern in nearly_a_pattern(),
        event_type in "[ab]{1,2}(\\.[ab]{1,2}){0,3}",
    ) {
        let event = EventType::parse(&event_type).unwrap();
        if let Ok(read) = EventPattern::parse(&pattern) {
            prop_assert_eq!(read.matches(&event), matches_by_segments(&pattern, &event_type));
        }
    }

    #[test]
    fn event_types_are_patterns_that_match_themselves(text in nearly_a_pattern()) {
        if let Ok(event) = EventType::parse(&text) {
            prop_assert!(EventPattern::parse(&text).unwrap().matches(&event));
        }
    }

    #[test]
    fn subscriptions_drop_repeats_and_keep_order(
        texts in proptest::collection::vec("[a-c](\\.[a-c])?", 1..20),
    ) {
        let list = Subscriptions::parse("events", texts.iter().map(String::as_str)).unwrap();
        let kept: Vec<_> = list.iter().collect();
        let mut expected: Vec<&str> = Vec::new();
        for text in &texts {
            if !expected.contains(&text.as_str()) {
                expected.push(text);
            }
        }
        prop_assert_eq!(kept, expected);
    }

    #[test]
    fn accepted_urls_are_https_without_a_refused_address(text in "\\PC{0,60}") {
        check_if_accepted(&text)?;
    }

    #[test]
    fn nearly_valid_urls_are_accepted_only_if_usable(
        scheme in "(https|http|HTTPS|ftp|https:)",
        slashes in "[/\\\\]{0,4}",
        user in "([a-z]{0,3}(:[a-z]{0,3})?@)?",
        host in prop_oneof![
            "[0-9a-fx]{1,12}(\\.[0-9a-fx]{0,6}){0,3}",
            "\\[[0-9a-f:.]{2,30}\\]",
            "[a-z①②⑦。．.]{1,12}",
            "(localhost|LocalHost\\.|x\\.localhost)",
        ],
        rest in "(:[0-9]{0,6})?(/[a-z\\\\#?@ ]{0,6})?",
    ) {
        check_if_accepted(&format!("{scheme}:{slashes}{user}{host}{rest}"))?;
    }

    #[test]
    fn hosts_are_accepted_iff_the_client_can_use_them(
        host in prop_oneof![
            // Everything except delimiters.
            "[!$&-.0-9;=A-Z^-~\"]{1,20}",
            "[a-c_.-]{1,12}",
            "[ab]{61,65}(\\.[ab-]{60,64}){0,4}\\.?",
            "[0-9x.]{1,6}\\.[0-9a-fx-]{0,4}",
            "(xn--)?[a-z0-9-]{1,8}\\.(xn--)?[a-z]{1,3}",
            "\\PC{1,12}",
        ],
    ) {
        let text = format!("https://{host}/");
        let Ok(url) = Url::parse(&text) else {
            prop_assert!(TargetUrl::parse(&text, AddressPolicy::PublicOnly).is_err());
            return Ok(());
        };
        let Some(Host::Domain(name)) = url.host() else {
            return Ok(());
        };
        // Other tests cover the other rules.
        prop_assume!(!host.contains(|c: char| c.is_whitespace() || c.is_control()));
        prop_assume!(!host.contains(['/', '\\', '?', '#', '@', ':']));
        prop_assume!(!host.contains('%'));
        let domain = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        prop_assume!(!["localhost", "alt", "invalid", "onion", "internal", "local"].contains(&domain));
        let usable = DnsName::try_from(name).is_ok() && url.as_str().parse::<Uri>().is_ok();
        let accepted = TargetUrl::parse(&text, AddressPolicy::PublicOnly).is_ok();
        prop_assert_eq!(accepted, usable);
    }

    #[test]
    fn arbitrary_text_never_panics_the_parsers(text in "\\PC{0,200}") {
        let _ = Message::from_json(&text);
        let _ = ApiKey::parse(&text);
        let _ = SigningSecret::parse_stored(&text);
        let _ = SigningSecret::parse(&text, SecretFormat::Text);
        let _ = AppId::parse(&text);
        let _ = text.parse::<RetrySchedule>();
    }

    #[test]
    fn public_libraries_accept_either_of_two_signatures(
        keys in proptest::collection::vec(any_secret(), 3),
        id in "[!-~]{1,64}",
        body in "\\PC{0,200}",
    ) {
        let [new, old, other] = keys.as_slice() else { unreachable!() };
        let now = Clock::system().now();
        let signature = sign_with_each([new, old], &id, now, body.as_bytes());
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("webhook-id", &id),
            ("webhook-timestamp", &now.as_second().to_string()),
            ("webhook-signature", &signature),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        for (secret, accepts) in [(new, true), (old, true), (other, false)] {
            // Two of the secrets may be equal.
            let accepts = accepts || [new, old].iter().any(|known| known.key() == secret.key());
            let standard = standardwebhooks::Webhook::from_bytes(secret.key().to_vec()).unwrap();
            let svix = svix::webhooks::Webhook::from_bytes(secret.key().to_vec()).unwrap();
            prop_assert_eq!(standard.verify(body.as_bytes(), &headers).is_ok(), accepts);
            prop_assert_eq!(svix.verify(body.as_bytes(), &headers).is_ok(), accepts);
        }
    }

    #[test]
    fn nearly_valid_messages_never_panic_the_parser(
        kind in "(test_ping|event|delivery|recover|sweep|other)",
        fields in proptest::collection::vec(
            ("(appId|endpointId|deliveryId|id|type|data|attempt|createdAt|payload)",
             prop_oneof![
                 Just("null".to_owned()),
                 Just("-1".to_owned()),
                 Just("1e400".to_owned()),
                 Just("[[[]]]".to_owned()),
                 Just("\"01890000-0000-7000-8000-00000000000a\"".to_owned()),
                 Just("\"9999-12-31T23:59:59.999Z\"".to_owned()),
                 Just("\"a.b\"".to_owned()),
             ]),
            0..9,
        ),
    ) {
        let fields: String = fields.iter().map(|(name, value)| format!(",\"{name}\":{value}")).collect();
        let _ = Message::from_json(&format!("{{\"kind\":\"{kind}\"{fields}}}"));
    }

    #[test]
    fn ids_round_trip_and_have_a_predecessor(bytes in any::<[u8; 16]>()) {
        let id = DeliveryId::from_bytes(bytes);
        prop_assert_eq!(DeliveryId::parse(&id.to_string()), Ok(id));
        prop_assert!(id.predecessor() < id || id == DeliveryId::MIN);
    }
}

/// Checks what must be true of every accepted URL.
fn check_if_accepted(text: &str) -> Result<(), TestCaseError> {
    let policy = AddressPolicy::PublicOnly;
    let Ok(url) = TargetUrl::parse(text, policy) else {
        return Ok(());
    };
    // The text that the API shows can't mislead, and parses to the same URL.
    prop_assert!(url.as_str().is_ascii());
    if text.is_ascii() {
        prop_assert_eq!(url.as_str(), text);
    }
    prop_assert_eq!(TargetUrl::parse(url.as_str(), policy), Ok(url.clone()));
    prop_assert_eq!(TargetUrl::registered(url.as_str()), Ok(url.clone()));
    // The client can use it.
    let parsed = url.url();
    prop_assert!(parsed.as_str().parse::<Uri>().is_ok());
    prop_assert!(ServerName::try_from(parsed.host_str().unwrap()).is_ok());
    prop_assert_eq!(parsed.scheme(), "https");
    prop_assert!(parsed.username().is_empty() && parsed.password().is_none());
    prop_assert!(parsed.fragment().is_none());
    match parsed.host() {
        Some(Host::Ipv4(address)) => prop_assert!(policy.permits(address.into())),
        Some(Host::Ipv6(_)) => prop_assert!(false, "deliveries go out over IPv4"),
        Some(Host::Domain(name)) => prop_assert!(!name.is_empty()),
        None => prop_assert!(false, "no host"),
    }
    Ok(())
}
