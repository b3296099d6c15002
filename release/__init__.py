"""Builds the files of a release: docs/development/releasing.md."""
