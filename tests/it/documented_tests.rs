//! README.md and SECURITY.md name the tests that show what they say.

use std::path::Path;

/// The names in backticks in the last column of tables whose last header is "Shown by".
fn named(document: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_column = false;
    for line in document.lines() {
        let Some(row) = line
            .strip_prefix("| ")
            .and_then(|row| row.strip_suffix(" |"))
        else {
            is_column &= line.starts_with("|-");
            continue;
        };
        let (_, last) = row.rsplit_once(" | ").unwrap_or_default();
        if last.eq_ignore_ascii_case("shown by") || last == "Is shown by" {
            is_column = true;
        } else if is_column {
            names.extend(last.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    names
}

/// Whether a test, a module with tests, or a file has this name.
fn exists(root: &Path, name: &str) -> bool {
    let (module, test) = name.split_once("::").unwrap_or((name, ""));
    let in_it = root.join(format!("tests/it/{module}.rs"));
    match std::fs::read_to_string(in_it) {
        Ok(_) if test.is_empty() => true,
        Ok(text) => text.contains(&format!("fn {test}(")),
        Err(_) if test.is_empty() => root.join(name).exists(),
        Err(_) => {
            let module = root.join(format!("src/{}.rs", name.replace("::", "/")));
            std::fs::read_to_string(module).is_ok_and(|text| text.contains("mod tests"))
        }
    }
}

#[test]
fn tests_that_documents_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in ["README.md", "SECURITY.md"] {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let names = named(&text);
        assert!(names.len() >= 10, "{document}: {names:?}");
        for name in names {
            assert!(exists(root, &name), "{document} names {name}");
        }
    }
}
