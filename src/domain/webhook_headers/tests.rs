//! The expected signatures were computed with Python's `hmac`, an independent implementation.

use std::time::Duration;

use super::*;
use crate::domain::endpoint::EndpointKey;
use crate::domain::event_type::EventType;
use crate::domain::id::{AppId, EndpointId, EventId};
use crate::domain::message::Source;
use crate::domain::signing::SecretFormat;

const BODY: &str = r#"{"invoice":"inv_1"}"#;
const ID: &str = "423c9319-eb21-89a6-873b-207d1e602ea0";
const ENDPOINT: &str = "01a20e92-e7b5-752a-9e7f-406d7e5bff21";
const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OLD: &str = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

fn task() -> DeliveryTask {
    let endpoint = EndpointKey {
        app_id: AppId::parse("acme").unwrap(),
        endpoint_id: EndpointId::parse(ENDPOINT).unwrap(),
    };
    let event = EventType::parse("invoice.paid").unwrap();
    let created_at = Timestamp::from_second(1_769_851_000).unwrap();
    DeliveryTask {
        source: Source::Event(EventId::parse(ID).unwrap()),
        attempt: 3,
        ..DeliveryTask::ping_like(event, BODY, endpoint, created_at, Duration::ZERO)
    }
}

/// The headers as lines, signed with these secrets.
fn lines(headers: &WebhookHeaders, secrets: &[&str]) -> Vec<String> {
    let secrets = secrets
        .iter()
        .map(|text| SigningSecret::parse(text, SecretFormat::Standard).unwrap());
    let secrets: Vec<_> = secrets.collect();
    let secrets: Vec<_> = secrets.iter().collect();
    let at = Timestamp::from_second(1_769_851_800).unwrap();
    let task = task();
    let headers = headers.of(&task, at, BODY, &secrets);
    let lines = headers
        .into_iter()
        .map(|(name, value)| format!("{name}: {value}"));
    lines.collect()
}

fn combined(standard: bool, prefix: &str, signatures: &str, events: &str) -> WebhookHeaders {
    let combined = WebhookHeaders::new(
        standard,
        prefix.parse().unwrap(),
        signatures.parse().unwrap(),
        events.parse().unwrap(),
    );
    combined.unwrap()
}

/// The only line that a signature header renders to.
fn line(signature: &str, secrets: &[&str]) -> String {
    let headers = combined(false, "webhook", &format!("[{signature}]"), "");
    let lines = lines(&headers, secrets);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.concat()
}

#[test]
fn standard_headers_are_sent_by_default() {
    let standard = [
        format!("webhook-id: {ID}"),
        "webhook-timestamp: 1769851800".to_owned(),
        "webhook-signature: v1,wWN7uPd0bKy2T9Lyl7vu6VoCMp/wUJ0V3NFSp/C/DZY=".to_owned(),
    ];
    assert_eq!(lines(&WebhookHeaders::default(), &[NEW]), standard);
    assert_eq!(combined(true, "webhook", "", ""), WebhookHeaders::default());
    let both = lines(&WebhookHeaders::default(), &[NEW, OLD]);
    let signatures = "webhook-signature: v1,wWN7uPd0bKy2T9Lyl7vu6VoCMp/wUJ0V3NFSp/C/DZY= \
                      v1,L0y+4sHXg0q4HP7l7+965jBBWE711/CQBK4jUEKKU9s=";
    assert_eq!(both[2], signatures);
}

#[test]
fn other_prefixes_complement_or_replace_the_standard_one() {
    let names = |standard| {
        let headers = combined(standard, "svix", "", "");
        let lines = lines(&headers, &[NEW]);
        let mut values = BTreeSet::new();
        let names = lines.iter().map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            values.insert(value.to_owned());
            name.to_owned()
        });
        let names: Vec<_> = names.collect();
        assert_eq!(values.len(), 3, "{lines:?}");
        names
    };
    let svix = ["svix-id", "svix-timestamp", "svix-signature"];
    assert_eq!(names(false), svix);
    assert_eq!(
        names(true)[..3],
        ["webhook-id", "webhook-timestamp", "webhook-signature"]
    );
    assert_eq!(names(true)[3..], svix);
}

#[test]
fn known_schemes_can_be_expressed() {
    for (signature, expected) in [
        (
            r#"{"header":"Stripe-Signature","content":"{timestamp}.{body}","value":"t={timestamp},v1={signature}"}"#,
            "stripe-signature: t=1769851800,v1=320d76c531926d8bec658cff72f0dca0696171c45150f59a2cdbd88f868604d9",
        ),
        (
            r#"{"header":"X-Hub-Signature-256","value":"sha256={signature}"}"#,
            "x-hub-signature-256: sha256=fcf950b0dade5550fcd42dcf247435a6bfb4969933ef31edae341f48ffbcf49e",
        ),
        (
            r#"{"header":"X-Hub-Signature","algorithm":"sha1","value":"sha1={signature}"}"#,
            "x-hub-signature: sha1=2d520f6807414b5fdb9e8eb04c1e3f136017b96d",
        ),
        (
            r#"{"header":"X-Shopify-Hmac-Sha256","encoding":"base64"}"#,
            "x-shopify-hmac-sha256: /PlQsNreVVD81C3PJHQ1pr+0lpkz7zHtrjQfSP+89J4=",
        ),
        (
            r#"{"header":"X-Slack-Signature","content":"v0:{timestamp}:{body}","value":"v0={signature}"}"#,
            "x-slack-signature: v0=1a015bbcee7248d0640606039174f91f0b5e682747854da664f78be6f38b13a2",
        ),
        (
            r#"{"header":"x","content":"x\n{body}","algorithm":"sha512","encoding":"base64","key":"bytes"}"#,
            "x: GqSuyGBURPjqRhie/KH12wChf+VwOJHqqjUBLDV+3tif9hp0pKah9znmG8IQoMFEJtE+17fb3VbPxtjQr9qBnw==",
        ),
    ] {
        assert_eq!(line(signature, &[NEW]), expected, "{signature}");
        // These schemes have no place for a second signature.
        assert_eq!(line(signature, &[NEW, OLD]), expected, "{signature}");
    }
}

#[test]
fn lists_have_a_signature_for_each_secret() {
    let stripe = r#"{"header":"Stripe-Signature","content":"{timestamp}.{body}","value":"t={timestamp},{signatures}","each":"v1={signature}"}"#;
    let (new, old) = (
        "320d76c531926d8bec658cff72f0dca0696171c45150f59a2cdbd88f868604d9",
        "b283be72cc4cfbb113d6beee656ffe5045d70214354b3fac302cd17c5c606777",
    );
    assert_eq!(
        line(stripe, &[NEW]),
        format!("stripe-signature: t=1769851800,v1={new}")
    );
    assert_eq!(
        line(stripe, &[NEW, OLD]),
        format!("stripe-signature: t=1769851800,v1={new},v1={old}")
    );
    let svix = r#"{"header":"x-signature","content":"{id}.{timestamp}.{body}","encoding":"base64","key":"bytes","value":"{signatures}","each":"v1,{signature}","separator":" "}"#;
    let standard = lines(&WebhookHeaders::default(), &[NEW, OLD]);
    assert_eq!(
        line(svix, &[NEW, OLD]).strip_prefix("x-signature: "),
        standard[2].strip_prefix("webhook-signature: ")
    );
}

#[test]
fn event_headers_describe_the_delivery() {
    let events = r#"{"X-Event":"{type}","x-delivery":"{id}/{attempt}","x-time":"{timestamp}","x-from":"{app}:{endpoint}"}"#;
    let lines = lines(&combined(true, "webhook", "", events), &[NEW]);
    assert_eq!(
        lines[3..],
        [
            "x-event: invoice.paid".to_owned(),
            format!("x-delivery: {ID}/3"),
            format!("x-from: acme:{ENDPOINT}"),
            "x-time: 1769851800".to_owned(),
        ]
    );
}

#[track_caller]
fn must_refuse(signatures: &str, field: &str, message: &str) {
    let error = signatures.parse::<SignatureHeaders>().unwrap_err();
    assert_eq!(error.field, field, "{signatures}");
    assert!(error.message.contains(message), "{signatures}: {error:?}");
}

#[test]
fn malformed_lists_names_and_contents_are_rejected_with_a_path() {
    let many = format!("[{}]", [r#"{"header":"x"}"#; 6].join(","));
    for (text, field, message) in [
        ("{}", "", "must be a JSON list of at most 5"),
        (r#"[{"header":"x"}"#, "", "must be a JSON list"),
        (&many, "", "at most 5"),
        (r#"["x"]"#, "[0]", "must be an object of strings"),
        (
            r#"[{"header":"x"},{"heder":"y"}]"#,
            "[1]",
            "unknown field `heder`",
        ),
        (r#"[{"header":"x","header":"y"}]"#, "[0]", "duplicate field"),
        (r#"[{"header":1}]"#, "[0]", "expected a string"),
        ("[{}]", "[0].header", "must be the name of a header"),
        (
            r#"[{"header":"Host"}]"#,
            "[0].header",
            "that HTTP itself needs",
        ),
        (
            r#"[{"header":"webhook-x"}]"#,
            "[0].header",
            "that the service sets",
        ),
        (
            r#"[{"header":"Authorization"}]"#,
            "[0].header",
            "own credentials",
        ),
        (
            r#"[{"header":"x","content":"{timestamp}"}]"#,
            "[0].content",
            "must contain {body}",
        ),
        (
            r#"[{"header":"x","content":"{signature}{body}"}]"#,
            "[0].content",
            "must not contain {signature}",
        ),
        (
            r#"[{"header":"x","content":"{body"}]"#,
            "[0].content",
            "brace",
        ),
    ] {
        must_refuse(text, field, message);
    }
    for text in ["", "[]"] {
        assert_eq!(text.parse(), Ok(SignatureHeaders::default()));
    }
}

#[test]
fn malformed_options_and_values_are_rejected_with_a_path() {
    for (text, field, message) in [
        (
            r#"[{"header":"x","algorithm":"md5"}]"#,
            "[0].algorithm",
            "must be sha1, sha256 or sha512",
        ),
        (
            r#"[{"header":"x","encoding":"HEX"}]"#,
            "[0].encoding",
            "must be hex or base64",
        ),
        (
            r#"[{"header":"x","key":"secret"}]"#,
            "[0].key",
            "must be text or bytes",
        ),
        (
            r#"[{"header":"x","value":"v1"}]"#,
            "[0].value",
            "either {signature} or {signatures}",
        ),
        (
            r#"[{"header":"x","value":"{signature} {signature}"}]"#,
            "[0].value",
            "once",
        ),
        (
            r#"[{"header":"x","value":"{signature}{signatures}"}]"#,
            "[0].value",
            "once",
        ),
        (
            r#"[{"header":"x","value":"{signature}{body}"}]"#,
            "[0].value",
            "must not contain {body}",
        ),
        (
            r#"[{"header":"x","value":"{signature}\r\n"}]"#,
            "[0].value",
            "visible ASCII",
        ),
        (
            r#"[{"header":"x","each":"v1={signature}"}]"#,
            "[0].each",
            "must be left out",
        ),
        (
            r#"[{"header":"x","separator":","}]"#,
            "[0].separator",
            "must be left out",
        ),
        (
            r#"[{"header":"x","value":"{signatures}","each":"v1"}]"#,
            "[0].each",
            "must contain {signature}",
        ),
        (
            r#"[{"header":"x","value":"{signatures}","separator":""}]"#,
            "[0].separator",
            "1 to 8",
        ),
        (
            r#"[{"header":"x","value":"{signatures}","separator":"\n"}]"#,
            "[0].separator",
            "visible ASCII",
        ),
    ] {
        must_refuse(text, field, message);
    }
}

#[test]
fn conflicting_settings_are_rejected() {
    let new = |standard, prefix: &str, signatures: &str, events: &str| {
        let [prefix, signatures, events] = [prefix, signatures, events].map(str::to_owned);
        WebhookHeaders::new(
            standard,
            prefix.parse().unwrap(),
            signatures.parse().unwrap(),
            events.parse().unwrap(),
        )
    };
    let name = |name: &str| HeaderName::parse(name).unwrap();
    for (standard, prefix, signatures, events, conflict) in [
        (false, "webhook", "", "", Some(Conflict::Unsigned)),
        (
            false,
            "webhook",
            "",
            r#"{"x":"{id}"}"#,
            Some(Conflict::Unsigned),
        ),
        (false, "svix", "", "", None),
        (false, "webhook", r#"[{"header":"x"}]"#, "", None),
        (
            true,
            "svix",
            r#"[{"header":"x"},{"header":"Svix-Signature"}]"#,
            "",
            Some(Conflict::Signature(1)),
        ),
        (
            true,
            "webhook",
            r#"[{"header":"x-a"},{"header":"X-A"}]"#,
            "",
            Some(Conflict::Signature(1)),
        ),
        (
            true,
            "webhook",
            r#"[{"header":"x-a"}]"#,
            r#"{"X-A":"{id}"}"#,
            Some(Conflict::Event(name("x-a"))),
        ),
        (
            true,
            "webhook",
            "",
            r#"{"x-a":"{id}","X-A":"{type}"}"#,
            Some(Conflict::Event(name("x-a"))),
        ),
    ] {
        let combined = new(standard, prefix, signatures, events);
        assert_eq!(
            combined.err(),
            conflict,
            "{standard} {prefix} {signatures} {events}"
        );
    }
}
