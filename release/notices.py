"""Writes THIRD_PARTY.txt: the licences and notices of everything in the binaries, as the
parts themselves contain them."""

import html
import re
from collections import defaultdict

from release.linked import parts
from release.project import PACKAGES, ROOT, TARGETS, VERSION

NOTICE = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)
# Files of parts that are no crates. Of glibc, only start-up code is linked; the licence of
# that permits it in any program.
OTHER_FILES = {
    "rust-std": ["COPYRIGHT-library.html"],
    "ziglang": ["LICENSE", "lib/libunwind/LICENSE.TXT", "lib/libc/glibc/LICENSES"],
    # Its C code is a part of its own.
    "aws-lc-sys": ["LICENSE"],
}
MIT = """\
MIT License

Copyright (c) {holders}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software
and associated documentation files (the "Software"), to deal in the Software without
restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING
BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def plain(text):
    """The text of an HTML page."""
    text = re.sub(r"<(style|script|title)[^>]*>.*?</\1>|<[^>]+>", "", text, flags=re.DOTALL)
    return re.sub(r"\n\s*\n\s*\n+", "\n\n", html.unescape(text))


def files(part):
    if part.name in OTHER_FILES:
        return [part.folder / name for name in OTHER_FILES[part.name]]
    found = (path for path in part.folder.rglob("*") if NOTICE.match(path.name))
    return sorted(path for path in found if path.is_file() and path.suffix not in (".rs", ".md5"))


def fallback(part):
    """The text for a crate that was published without one."""
    terms = part.licence.split(" OR ")
    if "Apache-2.0" in terms:
        return (ROOT / "LICENSE").read_text()
    if "MIT" in terms:
        return MIT.format(holders=", ".join(part.authors) or f"the authors of {part.name}")
    raise ValueError(f"{part.ref} ({part.licence}) has no licence file")


def texts(part):
    found = []
    for path in files(part):
        text = path.read_text(errors="replace")
        found.append(plain(text) if path.suffix == ".html" else text)
    return [text.strip() for text in found] or [fallback(part).strip()]


def all_parts():
    """What is in any binary for any architecture, without the project's own code."""
    found = set()
    for binary in PACKAGES:
        for target in TARGETS.values():
            found.update(parts(binary, target)[1])
    return sorted(part for part in found if part.purl)


def document(parts):
    """The notices. A text that several parts share appears once."""
    users = defaultdict(list)
    for part in parts:
        for text in dict.fromkeys(texts(part)):
            users[text].append(part.ref)
    lines = [
        f"Third-party software in the binaries of webhook-endpoints {VERSION}",
        "",
        *(f"{part.ref}: {part.licence}; {part.repository}" for part in parts),
    ]
    for text, refs in users.items():
        lines += ["", "=" * 80, f"Of {', '.join(refs)}:", "", text]
    return "\n".join(lines) + "\n"


def write(path):
    path.write_text(document(all_parts()))
