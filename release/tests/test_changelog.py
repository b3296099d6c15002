import unittest

from release.changelog import notes_of, section

TEXT = """\
# Changelog

## Unreleased

## [1.1.0] - 2026-02-01

### Added

- More.

## 1.0.0 - 2026-01-01

First.
"""


class ChangelogTest(unittest.TestCase):
    def test_section_of_a_version_is_found(self):
        self.assertEqual(section(TEXT, "1.1.0"), "### Added\n\n- More.\n")
        self.assertEqual(section(TEXT, "1.0.0"), "First.\n")

    def test_version_without_a_section_is_refused(self):
        for version in ("1.1", "1.2.0", "Unreleased"):
            with self.assertRaises(ValueError):
                section(TEXT, version)

    def test_tag_of_another_version_is_refused(self):
        with self.assertRaisesRegex(ValueError, "but Cargo.toml has version"):
            notes_of("v999.0.0")
