"""Prints openapi.json in the form from which the client is generated.

Errors are left out, because every call raises them as the same exception, and so is the
envelope around `data`. A nullable enumeration becomes a union, because the generator would
otherwise write one type for each of its keywords. Alternatives are sorted by the number of
their required fields, most first: the client takes the first alternative that fits and
ignores additional fields, so a smaller alternative would hide a larger one.
"""

import json
import sys
from pathlib import Path
from typing import Any


def unwrapped(schema: dict[str, Any]) -> dict[str, Any]:
    return schema.get("properties", {}).get("data", schema)


def simplify_enums(node: Any, name: str = "") -> None:
    if isinstance(node, list):
        for item in node:
            simplify_enums(item, name)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        simplify_enums(value, key if isinstance(value, dict) else name)
    if isinstance(node.get("enum"), list) and None in node["enum"]:
        values = [value for value in node.pop("enum") if value is not None]
        node.pop("type", None)
        title = name[:1].upper() + name[1:]
        node["oneOf"] = [
            {"type": "string", "enum": values, "title": title},
            {"type": "null"},
        ]


def sort_alternatives(node: Any, schemas: dict[str, Any]) -> None:
    if isinstance(node, list):
        for item in node:
            sort_alternatives(item, schemas)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        sort_alternatives(value, schemas)
        if key in ("anyOf", "oneOf"):
            value.sort(key=lambda each: -len(target(each, schemas).get("required", [])))


def target(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    return schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(references, node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*map(references, node.values()))
    if isinstance(node.get("$ref"), str):
        found.add(node["$ref"])
    return found


def used_schemas(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    rest = {key: part for key, part in document["components"].items() if key == "parameters"}
    todo, used = references([document["paths"], rest]), set[str]()
    while todo:
        reference = todo.pop()
        name = reference.rsplit("/", 1)[1]
        if "/schemas/" in reference and name not in used:
            used.add(name)
            todo |= references(schemas[name])
    return {name: schema for name, schema in schemas.items() if name in used}


def main() -> None:
    document = json.loads(Path(sys.argv[1]).read_text())
    document.pop("webhooks", None)
    for path in document["paths"].values():
        for operation in path.values():
            if not isinstance(operation, dict):
                continue
            responses = operation["responses"]
            kept = {code: each for code, each in responses.items() if code.startswith("2")}
            operation["responses"] = kept
            for response in kept.values():
                for content in response.get("content", {}).values():
                    content["schema"] = unwrapped(content["schema"])
    document["components"].pop("responses", None)
    document["components"]["schemas"] = used_schemas(document)
    sort_alternatives(document["paths"], document["components"]["schemas"])
    simplify_enums(document["components"])
    simplify_enums(document["paths"])
    json.dump(document, sys.stdout)


if __name__ == "__main__":
    main()
