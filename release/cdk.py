"""Generates the CDK construct's properties and outputs from the template."""

import json

from release.parameters import camel_case, outputs, parameters
from release.project import ROOT

FILE = ROOT / "deploy/cdk/src/generated.ts"
HEADER = "// Generated from template.yaml by `just generate-deploy`.\n"


def type_of(parameter):
    if parameter.values:
        return " | ".join(json.dumps(value) for value in parameter.values)
    return "number" if parameter.is_number else "string"


def property_of(parameter):
    return (
        f"  /**\n   * {parameter.description}\n   * @default {json.dumps(parameter.default)}\n   */\n"
        f"  readonly {camel_case(parameter.name)}?: {type_of(parameter)};\n"
    )


def generated():
    """The generated files with their contents."""
    names = [parameter.name for parameter in parameters()]
    properties = "".join(property_of(parameter) for parameter in parameters())
    by_name = "".join(f"  {camel_case(name)}: {json.dumps(name)},\n" for name in names)
    fields = "".join(
        f"  /** {description} */\n  readonly {camel_case(name)}: string;\n"
        for name, description in outputs().items()
    )
    by_field = "".join(f"  {camel_case(name)}: {json.dumps(name)},\n" for name in outputs())
    text = (
        f"{HEADER}\n"
        f"/** The template's parameters. */\nexport interface Parameters {{\n{properties}}}\n\n"
        f"/** The stack's outputs. */\nexport interface Outputs {{\n{fields}}}\n\n"
        f"export const parameterNames: Record<keyof Parameters, string> = {{\n{by_name}}};\n\n"
        f"export const outputNames: Record<keyof Outputs, string> = {{\n{by_field}}};\n"
    )
    return {FILE: text}


def write():
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
