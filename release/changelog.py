"""What CHANGELOG.md says of a version."""

import re

from release.project import ROOT, VERSION


def section(text, version):
    """A version's section without its heading, `## [1.2.3] - 2026-01-31` or the like."""
    heading = rf"^## \[?{re.escape(version)}\]?(?: [^\n]*)?$"
    found = re.search(rf"{heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if not found or not found.group(1).strip():
        raise ValueError(f"CHANGELOG.md has no section for {version}")
    return found.group(1).strip() + "\n"


def notes_of(tag):
    """The notes of the release with this tag, which has to be that of Cargo.toml's version."""
    if tag != f"v{VERSION}":
        raise ValueError(f"the tag is {tag}, but Cargo.toml has version {VERSION}")
    return section((ROOT / "CHANGELOG.md").read_text(), VERSION)
