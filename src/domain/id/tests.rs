use super::*;

#[test]
fn derived_ids_are_deterministic_and_sorted_by_time() {
    let at: Timestamp = "2026-01-01T00:00:00.123Z".parse().unwrap();
    let later: Timestamp = "2026-01-01T00:00:00.124Z".parse().unwrap();
    let (event, endpoint) = (EventId::new(), EndpointId::new());
    let id = DeliveryId::of_event(at, event, endpoint);
    assert_eq!(id, DeliveryId::of_event(at, event, endpoint));
    assert_ne!(id, DeliveryId::of_event(at, event, EndpointId::new()));
    assert_ne!(id, DeliveryId::of_event(at, EventId::new(), endpoint));
    assert!(DeliveryId::least_of(at) <= id && id < DeliveryId::least_of(later));
    assert!(DeliveryId::parse(&id.to_string()).is_ok());
    assert_eq!(id.to_string().as_bytes()[14], b'7');
}

#[test]
fn idempotency_key_identifies_one_event_of_one_app() {
    let app = AppId::parse("acme").unwrap();
    let other = AppId::parse("acme2").unwrap();
    let id = EventId::of_idempotency_key(app, "key");
    assert_eq!(id, EventId::of_idempotency_key(app, "key"));
    assert_ne!(id, EventId::of_idempotency_key(app, "key2"));
    assert_ne!(id, EventId::of_idempotency_key(other, "key"));
    assert_ne!(
        EventId::of_idempotency_key(app, "2key"),
        EventId::of_idempotency_key(other, "key")
    );
    assert_eq!(id.to_string().as_bytes()[14], b'8');
}

#[test]
fn ids_sort_by_creation() {
    let ids: Vec<_> = (0..1000).map(|_| DeliveryId::new()).collect();
    assert!(ids.is_sorted());
    let app = AppId::parse("acme").unwrap();
    let ids: Vec<_> = (0..1000).map(|_| EventId::issue(app)).collect();
    assert!(ids.is_sorted_by(|one, next| one < next));
}

#[test]
fn only_issued_event_ids_pass_the_check() {
    let app = AppId::parse("acme").unwrap();
    let other = AppId::parse("acme2").unwrap();
    let id = EventId::issue(app);
    let Some(Issued::Once(at)) = id.issued(app) else {
        panic!("{id} was not issued");
    };
    assert_eq!(DeliveryId::least_of(at).as_bytes()[..6], id.as_bytes()[..6]);
    assert_eq!(id.issued(other), None);
    let of_key = EventId::of_idempotency_key(app, "key");
    assert_eq!(of_key.issued(app), Some(Issued::ForKey));
    assert_eq!(of_key.issued(other), None);
    // Flipping any bit makes it an id that was not issued.
    for bit in 0..128 {
        let mut bytes = *id.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(EventId::from_bytes(bytes).issued(app), None, "bit {bit}");
    }
    // An id from another service or from a queue message.
    let foreign = EventId::parse("6a7e8feb-b491-4cf7-a9f1-bf3703467718").unwrap();
    assert_eq!(foreign.issued(app), None);
    assert_eq!(EventId::parse_or_unknown("x").issued(app), None);
}

#[test]
fn only_the_hyphenated_form_is_accepted() {
    let text = "01890a5d-ac96-774b-bcce-b302099a8057";
    assert_eq!(EventId::parse(text).unwrap().to_string(), text);
    let upper_case = text.to_uppercase();
    assert_eq!(EventId::parse(&upper_case).unwrap().to_string(), text);
    for wrong in [
        "",
        "x",
        "01890a5dac96774bbcceb302099a8057",
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a805g",
    ] {
        assert_eq!(EventId::parse(wrong), Err(InvalidId), "{wrong}");
    }
}

#[test]
fn app_ids_have_1_to_64_safe_characters() {
    let longest = "x".repeat(MAX_APP_ID_BYTES);
    for id in [
        "a",
        "Acme_42-eu",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        &longest,
    ] {
        assert_eq!(AppId::parse(id).unwrap().as_str(), id);
    }
    assert_ne!(AppId::parse("acme"), AppId::parse("Acme"));
    assert_eq!(
        AppId::parse(AppId::new().as_str()).unwrap().as_str().len(),
        36
    );
    let too_long = "x".repeat(MAX_APP_ID_BYTES + 1);
    for wrong in ["", "a b", "a/b", "a#b", "a.b", "é", "a\0", &too_long] {
        assert_eq!(AppId::parse(wrong), Err(InvalidAppId), "{wrong}");
    }
}
