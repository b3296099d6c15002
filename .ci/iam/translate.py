"""Prints a template as AWS sees it once its SAM transform is done, as JSON."""

import json
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """SAM asks for the names of AWS's managed policies, which no function here uses."""

    def load(self):
        return {}


with open(sys.argv[1], encoding="utf-8") as file:
    template = yaml_parse(file.read())
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        # SAM refuses a folder: `sam package` uploads it first.
        resource["Properties"]["CodeUri"] = "s3://bucket/function.zip"
if "Transform" in template:
    template = transform(template, {}, NoManagedPolicies())
json.dump(template, sys.stdout)
