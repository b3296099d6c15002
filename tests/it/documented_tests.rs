//! Checks that the tests named in docs/guarantees.md and SECURITY.md exist.

use std::path::Path;

/// Returns the last cell of every row of the tables whose last header is "Shown by".
fn last_columns(document: &str) -> Vec<&str> {
    let mut columns = Vec::new();
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
        if last == "Shown by" {
            is_column = true;
        } else if is_column {
            columns.push(last);
        }
    }
    columns
}

/// Returns the names in backticks.
fn named(column: &str) -> Vec<&str> {
    column.split('`').skip(1).step_by(2).collect()
}

/// Returns whether a test, a module with tests, or a file of this name exists.
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
fn every_guarantee_names_existing_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in ["docs/guarantees.md", "SECURITY.md"] {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let columns = last_columns(&text);
        assert!(columns.len() >= 30, "{document}: {columns:?}");
        for column in columns {
            let names = named(column);
            // What AWS guarantees by itself has no test here.
            assert!(
                !names.is_empty() || column == "(API Gateway and Lambda)",
                "{document}: {column} names no test"
            );
            for name in names {
                assert!(exists(root, name), "{document} names {name}");
            }
        }
    }
}

#[test]
fn the_readme_stays_short() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let lines = std::fs::read_to_string(readme).unwrap().lines().count();
    assert!(lines < 150, "{lines} lines: move long parts to docs/");
}
