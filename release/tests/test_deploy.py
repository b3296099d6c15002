"""What deploys the template by other tools: deploy/terraform and deploy/cdk."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import hcl2
from samcli.yamlhelper import yaml_parse

from release import cdk, template, terraform
from release.parameters import outputs, parameters, snake_case
from release.project import FUNCTIONS, ROOT

CDK = ROOT / "deploy/cdk"


def plain(value):
    """A value of python-hcl2, which keeps the quotes of strings."""
    return value[1:-1] if isinstance(value, str) and value.startswith('"') else value


def named(blocks):
    return {plain(name): block for one in blocks for name, block in one.items()}


class GeneratedTest(unittest.TestCase):
    def test_generated_files_match_the_template(self):
        for path, text in (terraform.generated() | cdk.generated()).items():
            current = path.read_text() if path.exists() else ""
            self.assertEqual(current, text, f"{path} is out of date: run just generate-deploy")


class TerraformTest(unittest.TestCase):
    def setUp(self):
        self.blocks = {}
        for path in terraform.MODULE.glob("*.tf"):
            for kind, found in hcl2.loads(path.read_text()).items():
                self.blocks.setdefault(kind, []).extend(found if isinstance(found, list) else [found])

    def test_variables_match_the_parameters(self):
        variables = named(self.blocks["variable"])
        expected = {snake_case(parameter.name): parameter.default for parameter in parameters()}
        own = {"bucket", "stack_name", "tags"}
        self.assertEqual(set(variables), set(expected) | own)
        for name, default in expected.items():
            self.assertEqual(plain(variables[name]["default"]), default, name)

    def test_outputs_match_the_template(self):
        found = named(self.blocks["output"])
        self.assertEqual(set(found), {snake_case(name) for name in outputs()})


class CdkTest(unittest.TestCase):
    """Synthesizes the example with stand-ins for the functions."""

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        release = pathlib.Path(temporary.name) / "release"
        (release / "functions").mkdir(parents=True)
        for function in FUNCTIONS:
            (release / f"functions/{function}-x86_64.zip").write_text(function)
        template.write(release / "template.yaml")
        cls.output = pathlib.Path(temporary.name) / "out"
        environment = os.environ | {
            "RELEASE_DIRECTORY": str(release),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
        }
        npx = ("npx", "--no-install")
        subprocess.run([*npx, "tsc"], cwd=CDK, check=True)
        synth = [*npx, "cdk", "synth", "--quiet", "--output", cls.output]
        subprocess.run(synth, cwd=CDK, env=environment, check=True)
        cls.stack = json.loads((cls.output / "Webhooks.template.json").read_text())
        (cls.nested,) = (
            one["Properties"]
            for one in cls.stack["Resources"].values()
            if one["Type"] == "AWS::CloudFormation::Stack"
        )

    def asset(self, key):
        return (self.output / f"asset.{key}").read_text()

    def test_stack_gets_the_given_parameters(self):
        given = dict(self.nested["Parameters"])
        self.assertIn("cdk-hnb659fds-assets", given.pop("CodeBucket")["Fn::Sub"])
        self.assertEqual(given, {"Architecture": "x86_64", "RetentionDays": "60"})

    def test_template_names_the_functions_by_their_assets(self):
        found = yaml_parse(self.asset(self.nested["TemplateURL"]["Fn::Sub"].rsplit("/", 1)[1]))
        released = yaml_parse(template.released(template.SOURCE.read_text()))
        for function in FUNCTIONS:
            code = found["Resources"][function]["Properties"]["CodeUri"]
            self.assertEqual(self.asset(code["Key"]), function)
            released["Resources"][function]["Properties"]["CodeUri"] = code
        self.assertEqual(found, released)

    def test_outputs_are_attributes_of_the_nested_stack(self):
        (value,) = (output["Value"] for output in self.stack["Outputs"].values())
        self.assertEqual(value["Fn::GetAtt"][1], "Outputs.ApiUrl")
