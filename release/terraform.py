"""Generates the Terraform module's variables and outputs from the template."""

import json

from release.parameters import outputs, parameters, snake_case
from release.project import ROOT

MODULE = ROOT / "deploy/terraform"
HEADER = "# Generated from template.yaml by `just generate-deploy`.\n"


def quoted(value):
    """A string of HCL, in which ${ and %{ would begin an expression."""
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def validation(name, condition, message):
    return (
        f"\n  validation {{\n    condition     = {condition}\n"
        f"    error_message = {quoted(f'{name} must be {message}.')}\n  }}\n"
    )


def variable(parameter):
    name = snake_case(parameter.name)
    text = (
        f'variable "{name}" {{\n'
        f"  description = {quoted(parameter.description)}\n"
        f"  type        = {'number' if parameter.is_number else 'string'}\n"
        f"  default     = {quoted(parameter.default)}\n"
        "  nullable    = false\n"
    )
    if parameter.values:
        values = ", ".join(quoted(value) for value in parameter.values)
        listed = ", ".join(str(value) for value in parameter.values)
        text += validation(name, f"contains([{values}], var.{name})", f"one of {listed}")
    least, most = parameter.least, parameter.most
    if least is not None and most is not None:
        condition = f"var.{name} >= {least} && var.{name} <= {most}"
        text += validation(name, condition, f"{least} to {most}")
    elif least is not None:
        text += validation(name, f"var.{name} >= {least}", f"at least {least}")
    return text + "}\n"


def variables():
    return "\n".join([HEADER, *(variable(parameter) for parameter in parameters())])


def passed_on():
    """The template's parameters, by the variables."""
    names = [parameter.name for parameter in parameters()]
    widest = max(len(name) for name in names)
    lines = (f"    {name:{widest}} = var.{snake_case(name)}\n" for name in names)
    return f"{HEADER}\nlocals {{\n  parameters = {{\n{''.join(lines)}  }}\n}}\n"


def output(name, description):
    return (
        f'output "{snake_case(name)}" {{\n'
        f"  description = {quoted(description)}\n"
        f'  value       = aws_cloudformation_stack.this.outputs["{name}"]\n}}\n'
    )


def generated():
    """The generated files with their contents."""
    each = (output(name, description) for name, description in outputs().items())
    return {
        MODULE / "parameters.tf": passed_on(),
        MODULE / "variables.tf": variables(),
        MODULE / "outputs.tf": "\n".join([HEADER, *each]),
    }


def write():
    for path, text in generated().items():
        path.write_text(text)
