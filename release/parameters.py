"""The template's parameters and outputs, from which the Terraform module and the CDK
construct get theirs."""

import functools
import re
from dataclasses import dataclass

from samcli.yamlhelper import yaml_parse

from release.template import SOURCE, released

# The module and the construct set it themselves.
OWN = {"CodeBucket"}


@dataclass(frozen=True)
class Parameter:
    """`default` is None if the deployer has to choose; `values` are those allowed, if few."""

    name: str
    description: str
    is_number: bool
    default: str | int | None
    values: tuple
    least: int | None
    most: int | None


def snake_case(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def camel_case(name):
    return name[0].lower() + name[1:]


@functools.cache
def parsed():
    return yaml_parse(released(SOURCE.read_text()))


def parameters():
    found = []
    for name, one in parsed()["Parameters"].items():
        if name in OWN:
            continue
        number = one["Type"] == "Number"
        values = tuple(int(value) if number else str(value) for value in one.get("AllowedValues", ()))
        default = one.get("Default")
        found.append(
            Parameter(
                name,
                one["Description"],
                number,
                int(default) if number and default is not None else default,
                values,
                one.get("MinValue"),
                one.get("MaxValue"),
            )
        )
    return found


def outputs():
    return {name: output["Description"] for name, output in parsed()["Outputs"].items()}
