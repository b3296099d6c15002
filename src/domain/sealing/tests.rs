use secrecy::ExposeSecret;

use super::*;
use crate::domain::id::{AppId, EndpointId};

fn endpoint(app_id: &str, id: &str) -> EndpointKey {
    EndpointKey {
        app_id: AppId::parse(app_id).unwrap(),
        endpoint_id: EndpointId::parse(id).unwrap(),
    }
}

fn acme() -> EndpointKey {
    endpoint("acme", "01890a5d-ac96-774b-bcce-b302099a8057")
}

fn text_of(secret: &SigningSecret) -> String {
    secret.to_text().expose_secret().to_owned()
}

#[test]
fn sealed_secrets_open_with_the_private_key_only() {
    let (key, private) = SealingKey::generate().unwrap();
    let (_, other) = SealingKey::generate().unwrap();
    let version = SecretVersion::new("v1");
    let secret = SigningSecret::generate(&mut rand::rng());
    let sealed = key.seal(acme(), &version, &secret).unwrap();
    assert_eq!(sealed.key_id, key.id);
    // Parsed again, as from the table and from Secrets Manager.
    let sealed = SealedSecret::new(sealed.key_id, sealed.as_str());
    let private = PrivateKey::parse(private.to_text().expose_secret()).unwrap();
    let opened = private.open(acme(), &version, &sealed).unwrap();
    assert_eq!(text_of(&opened), text_of(&secret));
    let refused = other.open(acme(), &version, &sealed).unwrap_err();
    assert_eq!(refused, OpenError);
}

#[test]
fn secrets_of_any_format_and_length_open() {
    let (key, private) = SealingKey::generate().unwrap();
    let version = SecretVersion::new("v1");
    let long = format!("whsec_{}", STANDARD.encode([7; 64]));
    for (text, format) in [
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            SecretFormat::Standard,
        ),
        (&long, SecretFormat::Standard),
        ("sixteen-letters.", SecretFormat::Text),
        // The length of a generated key.
        ("thirty-two-letters-thirty-two-ls", SecretFormat::Text),
    ] {
        let secret = SigningSecret::parse(text, format).unwrap();
        let sealed = key.seal(acme(), &version, &secret).unwrap();
        let opened = private.open(acme(), &version, &sealed).unwrap();
        assert_eq!(opened.format(), format);
        assert_eq!(text_of(&opened), text);
    }
}

#[test]
fn headers_open_for_their_own_endpoint_and_version_only() {
    let (key, private) = SealingKey::generate().unwrap();
    let version = SecretVersion::new("v1");
    let headers = OwnHeaders::parse(r#"{"authorization": "Bearer token"}"#);
    let headers = headers.unwrap().unwrap();
    let sealed = key.seal_headers(acme(), &version, &headers).unwrap();
    assert_eq!(
        sealed.bytes.len(),
        1 + 32 + "authorization: Bearer token\n".len() + 16
    );
    let opened = private.open_headers(acme(), &version, &sealed).unwrap();
    assert_eq!(opened.to_lines(), headers.to_lines());
    let foreign = endpoint("acme2", &acme().endpoint_id.to_string());
    for (endpoint, version) in [(foreign, &version), (acme(), &SecretVersion::new("v2"))] {
        let opened = private.open_headers(endpoint, version, &sealed);
        assert_eq!(opened.unwrap_err(), OpenError);
    }
    // Headers that pretend to be a secret.
    let mut bytes = sealed.bytes;
    for format in [STANDARD_SECRET.format, TEXT_SECRET.format] {
        bytes[0] = format;
        let secret = SealedSecret::new(key.id, STANDARD.encode(&bytes));
        assert!(private.open(acme(), &version, &secret).is_err());
    }
}

#[test]
fn sealing_a_secret_twice_gives_different_messages() {
    let (key, _) = SealingKey::generate().unwrap();
    let version = SecretVersion::new("v1");
    let secret = SigningSecret::generate(&mut rand::rng());
    let [one, two] = [(), ()].map(|()| key.seal(acme(), &version, &secret).unwrap());
    assert_ne!(one, two);
}

#[test]
fn sealed_secrets_open_for_their_own_endpoint_and_version_only() {
    let (key, private) = SealingKey::generate().unwrap();
    let version = SecretVersion::new("v1");
    let secret = SigningSecret::generate(&mut rand::rng());
    let sealed = key.seal(acme(), &version, &secret).unwrap();
    let same_id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let other_id = "01890a5d-ac96-774b-bcce-b302099a8058";
    for (endpoint, version) in [
        (endpoint("acme", other_id), "v1"),
        (endpoint("acme2", same_id), "v1"),
        (endpoint("acm", same_id), "v1"),
        (acme(), "v2"),
        (acme(), "v"),
        (acme(), ""),
    ] {
        let version = SecretVersion::new(version);
        let opened = private.open(endpoint, &version, &sealed);
        assert_eq!(opened.unwrap_err(), OpenError, "{endpoint:?} {version}");
    }
}

#[test]
fn changed_sealed_secrets_do_not_open() {
    let (key, private) = SealingKey::generate().unwrap();
    let version = SecretVersion::new("v1");
    let secret = SigningSecret::generate(&mut rand::rng());
    let sealed = key.seal(acme(), &version, &secret).unwrap();
    let bytes = STANDARD.decode(sealed.as_str()).unwrap();
    assert_eq!(bytes.len(), 1 + 32 + 32 + 16);
    let refused = |text: String| {
        let changed = SealedSecret::new(key.id, text);
        private.open(acme(), &version, &changed).unwrap_err();
    };
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        refused(STANDARD.encode(changed));
    }
    // A standard secret that pretends to be text.
    let mut other = bytes.clone();
    other[0] = TEXT_SECRET.format;
    refused(STANDARD.encode(other));
    for length in [0, 1, 32, 33, bytes.len() - 1] {
        refused(STANDARD.encode(&bytes[..length]));
    }
    refused(STANDARD.encode([&bytes[..], &[0]].concat()));
    refused("%".to_owned());
}

/// Sealed by another implementation, so that neither the format nor the associated data can
/// change unnoticed.
#[test]
fn secrets_sealed_by_another_implementation_open() {
    let private = PrivateKey::parse("whsk_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").unwrap();
    let key_id = SealingKeyId::parse("01890a5d-ac96-774b-bcce-b302099a8059").unwrap();
    let sealed = SealedSecret::new(
        key_id,
        "AVcUdp0Ra/dkNq50vHk9LDCtGQPFmsUnOAXH4mmLQQw2QUMFZ0DBy+7iafBa5GDaPNPeHDv5fDZMtaspwfSCTzqAkJZ38Ys0wOvjz67NRJhw",
    );
    let opened = private.open(acme(), &SecretVersion::new("v1"), &sealed);
    let expected = "whsec_ycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+g=";
    assert_eq!(text_of(&opened.unwrap()), expected);
}

#[test]
fn malformed_keys_are_rejected() {
    let encoded = |length| STANDARD.encode(vec![7; length]);
    let id = SealingKeyId::new();
    assert!(PrivateKey::parse(&format!("whsk_{}", encoded(32))).is_ok());
    assert!(SealingKey::parse(id, &encoded(32)).is_ok());
    for text in ["", "%", &encoded(31), &encoded(33)] {
        assert_eq!(SealingKey::parse(id, text).unwrap_err(), InvalidKey);
        let text = format!("whsk_{text}");
        assert_eq!(PrivateKey::parse(&text).unwrap_err(), InvalidKey);
    }
    assert!(PrivateKey::parse(&encoded(32)).is_err());
}

#[test]
fn debug_redacts_the_private_key() {
    let (_, private) = SealingKey::generate().unwrap();
    assert_eq!(format!("{private:?}"), "PrivateKey([REDACTED])");
}
