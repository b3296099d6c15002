import pathlib
import subprocess
import tempfile
import unittest

from samcli.yamlhelper import yaml_parse

from release.project import VERSION
from release.template import SOURCE, key, released


def flat(value, path=()):
    """The leaves of a template by their paths."""
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return {path: value}
    return {at: leaf for name, one in items for at, leaf in flat(one, (*path, name)).items()}


class TemplateTest(unittest.TestCase):
    def test_release_differs_from_source_only_in_code_and_its_bucket(self):
        source = yaml_parse(SOURCE.read_text())
        derived = yaml_parse(released(SOURCE.read_text()))
        # The list has one more item, in front.
        for template in (source, derived):
            for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]:
                group["Parameters"] = {name: True for name in group["Parameters"]}
        source, derived = flat(source), flat(derived)
        changed = {path for path in source.keys() | derived if source.get(path) != derived.get(path)}

        interface = ("Metadata", "AWS::CloudFormation::Interface")
        functions = {"ApiFunction": "api", "DeliverFunction": "deliver"}
        bucket = {path for path in changed if path[:2] == ("Parameters", "CodeBucket")}
        expected = {
            ("Description",),
            ("Parameters", "Architecture", "Description"),
            (*interface, "ParameterGroups", 0, "Parameters", "CodeBucket"),
            (*interface, "ParameterLabels", "CodeBucket", "default"),
        }
        for function in functions:
            at = ("Resources", function)
            expected |= {
                (*at, "Metadata", "BuildMethod"),
                (*at, "Metadata", "BuildProperties", "Binary"),
                (*at, "Properties", "CodeUri"),
                (*at, "Properties", "CodeUri", "Bucket", "Ref"),
                (*at, "Properties", "CodeUri", "Key", "Fn::Sub"),
            }
            self.assertEqual(derived[*at, "Properties", "CodeUri", "Bucket", "Ref"], "CodeBucket")
            self.assertEqual(derived[*at, "Properties", "CodeUri", "Key", "Fn::Sub"], key(function))
        self.assertEqual(changed - bucket, expected)
        self.assertNotIn(("Parameters", "CodeBucket", "Default"), derived)
        self.assertIn(f"webhook-endpoints {VERSION}:", derived["Description",])

    def test_unknown_source_is_refused(self):
        text = SOURCE.read_text()
        for changed in (
            text.replace("Binary: api", "Binary: other"),
            text.replace("\nOutputs:\n", "\n  More:\n    Properties:\n      CodeUri: .\nOutputs:\n"),
            text.replace("Use the same value", "Take the same value"),
        ):
            with self.assertRaises(ValueError):
                released(changed)

    def test_release_is_a_valid_template(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "template.yaml"
            path.write_text(released(SOURCE.read_text()))
            subprocess.run(["sam", "validate", "--lint", "--template", path], check=True)
            subprocess.run(["cfn-lint", path], check=True)
