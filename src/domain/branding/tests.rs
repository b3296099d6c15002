use super::*;

#[test]
fn misleading_titles_are_rejected() {
    let long = "x".repeat(65);
    for text in [
        "",
        " ",
        "a\nb",
        "a\u{7}",
        "pay\u{202e}lap",
        "a\u{200b}",
        &long,
    ] {
        assert!(text.parse::<Title>().is_err(), "{text:?}");
    }
    for text in ["Acme", "Ünïcode & <b>Söhne</b>", "ウェブフック"] {
        assert_eq!(text.parse::<Title>().unwrap().as_str(), text);
    }
}

#[test]
fn logos_that_could_change_the_policy_are_rejected() {
    for text in [
        "http://example.com/logo.svg",
        "data:image/svg+xml,<svg/>",
        "javascript:alert(1)",
        "//example.com/logo.svg",
        "https://user@example.com/logo.svg",
        "https://:secret@example.com/logo.svg",
        "https://example.com/logo.svg#x",
        "https://exa;mple.com/logo.svg",
        "https://example.com;script-src *",
        "https://a,b.example.com/",
        "https://'self'/",
        "https://exam ple.com/",
        "https://example.com/\r\nx: y",
        "https://*.example.com/logo.svg",
        "https://[::1]/logo.svg",
        "https://m\u{fc}ller.example/logo.svg",
        "https:///",
    ] {
        assert!(text.parse::<Logo>().is_err(), "{text:?}");
    }
    let logo: Logo = "https://cdn.example.com:8443/a/logo.svg?v=1"
        .parse()
        .unwrap();
    assert_eq!(
        logo.origin().as_deref(),
        Some("https://cdn.example.com:8443")
    );
    assert_eq!(
        logo.url(),
        Some("https://cdn.example.com:8443/a/logo.svg?v=1")
    );
    assert_eq!(Logo::default().url(), None);
}

#[test]
fn ancestors_are_origins() {
    for text in [
        "*",
        "https://*",
        "https://*.com",
        "https:",
        "http://example.com",
        "example.com",
        "https://example.com/",
        "https://example.com/path",
        "https://example.com; script-src *",
        "https://example.com https://other.example",
        "https://example.com:0",
        "https://example.com:99999",
        "https://example.com:+443",
        "https://user@example.com",
        "https://a.*.example.com",
        "'self'",
        "https://example.com,",
    ] {
        assert!(text.parse::<FrameAncestors>().is_err(), "{text:?}");
    }
    let many = vec!["https://example.com"; 21].join(",");
    assert!(many.parse::<FrameAncestors>().is_err());
    let two: FrameAncestors = "https://app.example.com:8443, https://*.example.org"
        .parse()
        .unwrap();
    assert_eq!(
        two.sources(),
        "https://app.example.com:8443 https://*.example.org"
    );
    assert_eq!(FrameAncestors::default().sources(), "'none'");
}

#[test]
fn colours_are_six_hexadecimal_digits() {
    for text in [
        "", "red", "#fff", "#12345", "#1234567", "#12345g", "#+12345", "#é1234", "#000;}*{",
    ] {
        assert!(text.parse::<Accent>().is_err(), "{text:?}");
    }
    assert_eq!(
        "#00aAfF".parse::<Accent>().unwrap(),
        Accent([0, 0xaa, 0xff])
    );
}

#[test]
fn palettes_are_legible_for_any_colour() {
    let steps = || (0..=255).step_by(15);
    for (red, green, blue) in steps()
        .flat_map(|red| steps().map(move |green| (red, green)))
        .flat_map(|(red, green)| steps().map(move |blue| (red, green, blue)))
    {
        let accent = Accent([red, green, blue]);
        let palette = accent.palette();
        let color = |text: &str| text.parse::<Accent>().unwrap().0;
        assert!(
            contrast(accent.0, color(palette.on_accent)) >= TEXT_CONTRAST,
            "{palette:?}"
        );
        assert!(
            contrast(color(&palette.on_light), LIGHT) >= TEXT_CONTRAST,
            "{palette:?}"
        );
        assert!(
            contrast(color(&palette.on_dark), DARK) >= TEXT_CONTRAST,
            "{palette:?}"
        );
    }
}

#[test]
fn colours_are_mixed_no_further_than_legible() {
    for (color, on_light, on_dark) in [
        ("#1a56db", "#1a56db", "#6a91e7"),
        ("#ffcc00", "#7f6600", "#ffcc00"),
    ] {
        let palette = color.parse::<Accent>().unwrap().palette();
        assert_eq!((&*palette.on_light, &*palette.on_dark), (on_light, on_dark));
    }
}

#[test]
fn contrast_matches_known_values() {
    assert!((contrast(BLACK, WHITE) - 21.0).abs() < 1e-9);
    assert!((contrast([0x76, 0x76, 0x76], WHITE) - 4.54).abs() < 0.01);
    // The darkest channels have a formula of their own.
    assert!((contrast([9, 9, 9], BLACK) - 1.05).abs() < 0.01);
}
