import json
import pathlib
import tempfile
import unittest

from release import linked, notices, sbom
from release.project import ADMIN, PACKAGES, TARGETS, Binary


class LinkedTest(unittest.TestCase):
    def test_parts_match_the_linked_code(self):
        for binary in PACKAGES:
            for target in TARGETS.values():
                own, uses = linked.parts(binary, target)
                names = {part.name for part in uses}
                self.assertLessEqual({"rustls", "aws-lc", "webpki-roots", "rust-std", "ziglang"}, names)
                # Of the tests, of build scripts, and a macro.
                self.assertTrue(names.isdisjoint({"local", "dynoxide-rs", "cc", "serde_derive"}))
                reached, ahead = set(), [own]
                while ahead:
                    part = ahead.pop()
                    if part not in reached:
                        reached.add(part)
                        ahead += uses[part]
                self.assertEqual(reached, set(uses))

    def test_bill_of_materials_is_valid_and_repeatable(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"code")
            file.flush()
            binary = Binary(ADMIN, "arm64", pathlib.Path(file.name))
            # It is validated against CycloneDX's schema, or this raises.
            text = sbom.document(binary)
            self.assertEqual(text, sbom.document(binary))
        found = json.loads(text)
        hashed = "5694d08a2e53ffcae0c3103e5ad6f6076abd960eb1f8a56577040bc1028f702b"
        self.assertEqual(found["metadata"]["component"]["hashes"][0]["content"], hashed)
        clap = next(one for one in found["components"] if one["name"] == "clap")
        self.assertRegex(clap["purl"], r"^pkg:cargo/clap@\d")
        self.assertEqual(clap["licenses"], [{"expression": "MIT OR Apache-2.0"}])
        own = next(one for one in found["components"] if one["name"] == "webhook-endpoints")
        self.assertNotIn("purl", own)

    def test_every_part_has_its_notices(self):
        parts = notices.all_parts()
        text = notices.document(parts)
        for part in parts:
            self.assertTrue(any(part.ref in line for line in text.splitlines() if line.startswith("Of ")))
        for sentence in (
            "Community Data License Agreement",  # of webpki-roots
            "Copyright (c) 2015-2020 the fiat-crypto authors",  # of AWS-LC's C code
            "Apache License v2.0 with LLVM Exceptions",  # of the unwinder
            "Copyright notices for The Rust Standard Library",
        ):
            self.assertIn(sentence, text)

    def test_crate_without_a_licence_file_needs_known_terms(self):
        with tempfile.TemporaryDirectory() as folder:
            terms = {"MIT": "the authors of x", "Apache-2.0 OR BSL-1.0": "Apache License"}
            for licence, sentence in terms.items():
                part = linked.Part("x", "1.0.0", "", licence, pathlib.Path(folder))
                self.assertIn(sentence, notices.texts(part)[0])
            with self.assertRaises(ValueError):
                notices.texts(linked.Part("x", "1.0.0", "", "ISC", pathlib.Path(folder)))
