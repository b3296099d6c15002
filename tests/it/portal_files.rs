//! What the files of the customer portal must and must not contain.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use reqwest::Url;

use crate::portal::{FOLDER, MAX_BYTES, files};

/// The modules that a module imports statically, by path in `portal/`.
fn imports_of(name: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(FOLDER).join(name)).unwrap();
    let base = Url::parse("file:///").unwrap().join(name).unwrap();
    let statements = text.lines().filter(|line| line.starts_with("import "));
    let path = |statement: &str| {
        let (_, rest) = statement.split_once(" from '").unwrap();
        let url = base.join(rest.strip_suffix("';").unwrap()).unwrap();
        url.path().trim_start_matches('/').to_owned()
    };
    statements.map(path).collect()
}

/// So that the browser requests all modules at once, rather than finding them import by
/// import.
#[test]
fn page_preloads_every_module_of_the_first_view_once() {
    let index = fs::read_to_string(Path::new(FOLDER).join("index.html")).unwrap();
    let named: Vec<_> = index
        .split("static/{version}/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .filter(|name| name.ends_with(".js"))
        .collect();
    let mut loaded = BTreeSet::new();
    let mut waiting = vec!["app.js".to_owned(), "views/endpoints.js".to_owned()];
    while let Some(name) = waiting.pop() {
        if loaded.insert(name.clone()) {
            waiting.extend(imports_of(&name));
        }
    }
    assert!(loaded.len() > 5, "{loaded:?}");
    assert_eq!(named.len(), loaded.len());
    let named: BTreeSet<_> = named.into_iter().map(str::to_owned).collect();
    assert_eq!(named, loaded);
    // It makes the first API calls, so it must not wait for other modules.
    assert!(imports_of("session.js").is_empty());
}

#[test]
fn portal_is_small() {
    let sizes = files().into_iter().map(|name| {
        let file = fs::metadata(Path::new(FOLDER).join(name)).unwrap();
        usize::try_from(file.len()).unwrap()
    });
    let sum: usize = sizes.sum();
    assert!(sum < MAX_BYTES, "{sum} bytes");
}

/// The browser's policy blocks these ways to turn text into markup or code. This test finds
/// them earlier.
#[test]
fn portal_never_turns_text_into_markup_or_code() {
    const WAYS: [&str; 12] = [
        ".innerHTML",
        ".outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "setHTML",
        "DOMParser",
        "createContextualFragment",
        "srcdoc=",
        "eval(",
        "new Function",
        "javascript:",
        " style=",
    ];
    for name in files() {
        let text = fs::read_to_string(Path::new(FOLDER).join(&name)).unwrap();
        for way in WAYS {
            assert!(!text.contains(way), "{name} has {way}");
        }
        let inline =
            text.matches("<script").count() > text.matches("<script type=\"module\" src=").count();
        assert!(!inline, "{name} has an inline script");
    }
}

/// Everything that the page loads or calls is relative, so that no request leaves the origin
/// and the path may begin with a stage.
#[test]
fn portal_refers_to_no_other_origin() {
    for name in files() {
        let text = fs::read_to_string(Path::new(FOLDER).join(&name)).unwrap();
        let schemes = text.match_indices("://").map(|(at, _)| &text[at..]);
        let foreign: Vec<_> = schemes
            .map(|rest| {
                rest[3..]
                    .split(['"', '\'', '/', '`', ' ', ')'])
                    .next()
                    .unwrap()
            })
            .filter(|host| {
                !["www.w3.org", "example.com", "input", "", "0.0.0.0:3000"].contains(host)
            })
            .filter(|host| host.starts_with(|c: char| c.is_ascii_alphanumeric()))
            .collect();
        assert!(foreign.is_empty(), "{name} names {foreign:?}");
        for way in ["import('/", "from '/", "@import \"", "src=\"/", "href=\"/"] {
            assert!(!text.contains(way), "{name} has {way}");
        }
        assert!(!(name.ends_with(".css") && text.contains("url(")), "{name}");
    }
}
