//! The folders of worlds, one for each version, in `tests/it/fixtures`.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::World;

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures"))
}

/// The versions that have fixtures, the newest last.
pub fn versions() -> Vec<String> {
    let entries = fs::read_dir(fixtures()).expect("read the folder of fixtures");
    let names = entries.map(|entry| {
        let name = entry.expect("read the folder").file_name();
        name.into_string().expect("read the name")
    });
    let mut names: Vec<_> = names.collect();
    names.sort_by_key(|name| {
        let numbers = name.split('.').map(|part| part.parse::<u32>());
        let numbers: Result<Vec<_>, _> = numbers.collect();
        numbers.unwrap_or_else(|_| panic!("{name} is not the name of a version"))
    });
    names
}

pub fn worlds_of(version: &str) -> Vec<World> {
    let folder = fixtures().join(version);
    let entries = fs::read_dir(folder).expect("read the folder of a version");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("read the folder").path())
        .collect();
    paths.sort();
    let worlds = paths.iter().map(|path| {
        let text = fs::read_to_string(path).expect("read the file");
        let world = serde_json::from_str(&text);
        world.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    });
    worlds.collect()
}

/// Writes the worlds of a version that has none yet.
pub fn write(version: &str, worlds: &[World]) {
    let folder = fixtures().join(version);
    fs::create_dir_all(fixtures()).expect("make the folder of fixtures");
    let made = fs::create_dir(&folder);
    made.expect("make the folder: fixtures of a released version never change");
    for (index, world) in worlds.iter().enumerate() {
        let name = world.scene.split(':').next().unwrap_or_default();
        let file = folder.join(format!("{index:02}-{name}.json"));
        let world = serde_json::to_value(world).expect("write the world");
        let mut text = String::new();
        lay_out(&world, 0, &mut text);
        fs::write(file, text + "\n").expect("write the file");
    }
}

/// Writes every item and message on a line of its own.
fn lay_out(value: &Value, depth: usize, text: &mut String) {
    const DEEPEST: usize = 2;
    let pad = "  ".repeat(depth + 1);
    let (open, close, parts): (_, _, Vec<_>) = match value {
        Value::Object(fields) if depth < DEEPEST && !fields.is_empty() => {
            let parts = fields.iter().map(|(name, part)| (Some(name), part));
            ("{", "}", parts.collect())
        }
        Value::Array(parts) if depth < DEEPEST && !parts.is_empty() => {
            ("[", "]", parts.iter().map(|part| (None, part)).collect())
        }
        value => {
            write!(text, "{value}").expect("write the value");
            return;
        }
    };
    text.push_str(open);
    for (index, (name, part)) in parts.into_iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&pad);
        if let Some(name) = name {
            write!(text, "{}: ", Value::from(name.as_str())).expect("write the name");
        }
        lay_out(part, depth + 1, text);
    }
    write!(text, "\n{}{close}", "  ".repeat(depth)).expect("write the end");
}
