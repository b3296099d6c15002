"""Derives the template of a release from template.yaml. It deploys the zip files of the
release from an S3 bucket, so that deploying needs neither Rust nor zig."""

import re

from release.project import FUNCTIONS, ROOT, VERSION

SOURCE = ROOT / "template.yaml"

# Without a default: the bucket is the operator's.
CODE_BUCKET = """\
  CodeBucket:
    Type: String
    AllowedPattern: ^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$
    ConstraintDescription: must be the name of an S3 bucket
    Description: S3 bucket of the stack's Region that has the functions of this release, under the keys that docs/deploying.md says.

"""
BUILD_NOTE = " Use the same value for sam build and sam deploy, or the functions will not start."


def key(function, architecture="${Architecture}", version=VERSION):
    """The key in S3 of a function's zip file. It has the version, because CloudFormation
    updates a function only if its key changes."""
    return f"webhook-endpoints/{version}/{function}-{architecture}.zip"


def replaced(text, old, new):
    """Replaces the only occurrence of a text."""
    count = text.count(old)
    if count != 1:
        raise ValueError(f"template.yaml has this {count} times instead of once: {old!r}")
    return text.replace(old, new)


def without_comment(text, before):
    """Removes the comment above a line."""
    lines = text.split("\n")
    at = lines.index(before)
    while lines[at - 1].lstrip().startswith("#"):
        at -= 1
        del lines[at]
    return "\n".join(lines)


def released(text, version=VERSION):
    """The template of a release, from the text of template.yaml."""
    for function, binary in FUNCTIONS.items():
        # What follows in the function's Metadata is for checkov, and stays.
        build = (
            "      BuildMethod: rust-cargolambda\n"
            f"      BuildProperties:\n        Binary: {binary}\n"
        )
        text = replaced(text, build, "")
        start = text.index(f"\n  {function}:\n")
        code = f'CodeUri: {{ Bucket: !Ref CodeBucket, Key: !Sub "{key(function, version=version)}" }}'
        text = text[:start] + text[start:].replace("CodeUri: .", code, 1)
    # The comment is about building.
    text = without_comment(text, "  Architecture:")
    text = replaced(text, BUILD_NOTE, "")
    text = replaced(text, "\nParameters:\n", f"\nParameters:\n{CODE_BUCKET}")
    text = replaced(text, "Parameters: [Architecture,", "Parameters: [CodeBucket, Architecture,")
    labels = "    ParameterLabels:\n"
    text = replaced(text, labels, labels + "      CodeBucket: { default: Bucket of the functions }\n")
    text = replaced(text, "\n  webhook-endpoints: an HTTP API", f"\n  webhook-endpoints {version}: an HTTP API")
    if re.search(r"CodeUri: \.|BuildMethod", text):
        raise ValueError("template.yaml has a function that release/project.py does not name")
    return text


def write(path):
    path.write_text(released(SOURCE.read_text()))
