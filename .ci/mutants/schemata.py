"""Compiles many mutants into one source file. Each is off unless the process was started with
its number in the variable MUTANT, so that one build serves all of them.

An operator keeps its operands: `a + b * c` never becomes `(a + b) * c`, as with a textual edit.
"""

import re
from dataclasses import dataclass, field

import tree_sitter
import tree_sitter_rust

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
# Contexts that are evaluated by the compiler: nothing can be switched at run time.
CONSTANT = {"const_item", "static_item", "array_type", "enum_variant", "const_block"}
FUNCTION = "function_item"


@dataclass
class Site:
    """A place in the source with one or more mutants; `render` writes it with all of them."""

    start: int
    end: int
    order: int
    kind: str
    node: object
    mutants: list = field(default_factory=list)


def is_constant(node, stripped=lambda _: False):
    """Whether the compiler evaluates this node. `stripped` says which `const fn` is one no
    longer."""
    while node:
        if node.type in CONSTANT:
            return True
        if node.type == FUNCTION:
            return const_keyword(node) is not None and not stripped(node)
        if node.type.endswith("_pattern") and node.type != "match_pattern":
            return True
        node = node.parent
    return False


def const_keyword(function):
    for child in function.children:
        if child.type == "function_modifiers":
            return next((part for part in child.children if part.type == "const"), None)
    return None


def enclosing(node, *types):
    while node and node.type not in types:
        node = node.parent
    return node


def name_of(function):
    return function.child_by_field_name("name").text.decode()


class File:
    """A source file with its mutants."""

    def __init__(self, source, mutants):
        self.source = source
        self.tree = PARSER.parse(source)
        lines = source.split(b"\n")
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line) + 1)
        for mutant in mutants:
            # cargo-mutants counts characters.
            mutant.start, mutant.end = (
                starts[line - 1] + len(lines[line - 1].decode()[: column - 1].encode())
                for line, column in mutant.span
            )
        self.mutants = mutants

    def at(self, mutant):
        return self.tree.root_node.descendant_for_byte_range(mutant.start, mutant.end)

    def function(self, mutant):
        return enclosing(self.at(mutant), FUNCTION)

    def guard_of(self, mutant):
        """The guard of the match arm that the mutant would delete."""
        arm = enclosing(self.at(mutant), "match_arm")
        return arm.child_by_field_name("pattern").child_by_field_name("condition")

    def switched(self, mutants, keep_const, further=()):
        """The source with all of these mutants, and those that are left out because only the
        compiler evaluates the place. A `const fn` becomes an ordinary one, unless `keep_const`
        has its name."""
        sites = {(site.start, site.end, site.order, id(site)): site for site in further}
        left_out = []

        def stripped(function):
            return name_of(function) not in keep_const

        for mutant in mutants:
            node = self.at(mutant)
            site = None if is_constant(node, stripped) else self.site(mutant, node)
            if site is None:
                left_out.append(mutant)
                continue
            key = (site.start, site.end, site.order)
            sites.setdefault(key, site).mutants.append(mutant)
            keyword = const_keyword(self.function(mutant)) if self.function(mutant) else None
            if keyword:
                key = (keyword.start_byte, keyword.end_byte + 1, 0)
                sites[key] = Site(*key, "keyword", keyword)
        # Outer sites before those that they contain.
        self.sites = sorted(sites.values(), key=lambda s: (s.start, -s.end, s.order))
        return self.render(0, len(self.source), -1).encode(), left_out

    def site(self, mutant, node):
        match mutant.genre:
            case "FnValue":
                returned = enclosing(node, FUNCTION).child_by_field_name("return_type")
                body = enclosing(node, FUNCTION).child_by_field_name("body")
                if returned and returned.text.startswith(b"impl "):
                    return self.wrap(body, 4)
                place = body.start_byte + 1
                return Site(place, place, 0, "body", body)
            case "BinaryOperator":
                outer = enclosing(
                    node, "binary_expression", "compound_assignment_expr", "let_chain"
                )
                return outer and outer.type != "let_chain" and self.wrap(outer, 3) or None
            case "UnaryOperator":
                return self.wrap(enclosing(node, "unary_expression"), 3)
            case "MatchArm" | "MatchArmGuard":
                pattern = enclosing(node, "match_arm").child_by_field_name("pattern")
                return Site(pattern.start_byte, pattern.end_byte, 1, pattern.type, pattern)
            case "StructField":
                return self.wrap(enclosing(node, "struct_expression"), 2)
        raise ValueError(f"unknown genre: {mutant.genre}")

    @staticmethod
    def wrap(node, order):
        return node and Site(node.start_byte, node.end_byte, order, node.type, node)

    def render(self, start, end, outer):
        """The text from `start` to `end`, with the sites in it that follow number `outer`."""
        text, position = [], start
        for index in range(outer + 1, len(self.sites)):
            site = self.sites[index]
            if site.start < position or site.end > end:
                continue
            if site.start >= end:
                break
            text.append(self.source[position : site.start].decode())
            text.append(self.render_site(site, index))
            position = site.end
        text.append(self.source[position:end].decode())
        return "".join(text)

    def render_site(self, site, index):
        def inner(node):
            return self.render(node.start_byte, node.end_byte, index)

        def child(name):
            return inner(site.node.child_by_field_name(name))

        match site.kind:
            case "keyword":
                return ""
            case "constant":
                return alternative(site)
            case "import":
                name = site.node.text.decode()
                return "{" + ", ".join([name, *(f"{name}_{m.id}" for m in site.mutants)]) + "}"
            case "use":
                name = self.source[site.start : site.end].decode()
                text = choose([(m, f"{name}_{m.id}") for m in site.mutants], name)
            case "block":  # of a function that returns an `impl Iterator`
                text = self.render(site.start, site.end, index)
                for mutant in site.mutants:
                    left = f"crate::mutant::Either::Left({mutant.replacement})"
                    text = f"{{ if {on(mutant)} {{ {left} }} else {{ crate::mutant::Either::Right({text}) }} }}"
            case "body":
                return "".join(
                    mark([m], f" if {on(m)} {{ return {m.replacement}; }}") for m in site.mutants
                )
            case "binary_expression" if site.node.child_by_field_name("operator").type in (
                "&&",
                "||",
            ):
                text = short_circuit(site, child("left"), child("right"))
            case "binary_expression" | "compound_assignment_expr":
                left, right = child("left"), child("right")
                operator = site.node.child_by_field_name("operator").text.decode()
                text = choose(
                    [(m, f"{left} {m.replacement} {right}") for m in site.mutants],
                    f"{left} {operator} {right}",
                )
            case "unary_expression":
                operand = inner(site.node.children[-1])
                operator = site.node.children[0].text.decode()
                text = choose([(m, operand) for m in site.mutants], operator + operand)
            case "match_pattern":
                return self.guard(site, inner)
            case "struct_expression":
                whole = self.render(site.start, site.end, index)
                text = choose([(m, self.without(site, m, index)) for m in site.mutants], whole)
        return mark(site.mutants, text)

    def without(self, site, mutant, index):
        """A struct expression without a field."""
        before = self.render(site.start, mutant.start, index)
        after = self.render(mutant.end, site.end, index)
        return before + re.sub(r"^\s*,", "", after)

    def guard(self, site, inner):
        """Deleting an arm is a guard that is false."""
        condition = site.node.child_by_field_name("condition")
        pattern = self.source[site.start : condition.start_byte if condition else site.end]
        pattern = re.sub(r"\s+if\s*$", "", pattern.decode())
        test = f"({inner(condition)})" if condition else "true"
        terms = []
        for mutant in site.mutants:
            if mutant.genre == "MatchArmGuard" and mutant.replacement == "true":
                test = f"({on(mutant)} || {test})"
            else:
                terms.append(f"!{on(mutant)}")
        return pattern + " if " + mark(site.mutants, " && ".join([*terms, test]))


def on(mutant):
    return f"crate::mutant::on({mutant.id})"


def mark(mutants, text):
    """Marks the text, so that an error of the compiler leads to its mutants."""
    ids = ",".join(str(mutant.id) for mutant in mutants)
    return f"/*<{ids}*/{text}/*>*/"


def choose(variants, original):
    branches = "".join(
        f"if {on(mutant)} {{ {mark([mutant], text)} }} else " for mutant, text in variants
    )
    return f"({branches}{{ {original} }})"


def short_circuit(site, left, right):
    """`&&` for `||` and the other way round, without the operands being repeated: in a long
    chain, the text would double with each operator. Other replacements are rare."""
    operator = site.node.child_by_field_name("operator").type
    other = {"&&": "||", "||": "&&"}[operator]
    text = f"{left} {operator} {right}"
    swap = [m for m in site.mutants if m.replacement == other]
    if swap:
        compare = "!=" if operator == "&&" else "=="
        text = (
            f"{{ let operand__: bool = {left};"
            f" if operand__ {compare} {on(swap[0])} {{ {right} }} else {{ operand__ }} }}"
        )
    others = [m for m in site.mutants if m.replacement != other]
    return choose([(m, f"({left}) {m.replacement} ({right})") for m in others], text)


def alternative(site):
    """The declaration of another constant, with the edit."""
    mutant, item = site.mutants[0], site.node
    text = item.text.decode("latin-1")
    start, end = mutant.start - item.start_byte, mutant.end - item.start_byte
    name = item.child_by_field_name("name")
    renamed = name.end_byte - item.start_byte
    edited = f"{text[:renamed]}_{mutant.id}{text[renamed:start]}{mutant.replacement}{text[end:]}"
    return " " + mark([mutant], "#[doc(hidden)] " + edited.encode("latin-1").decode())


def ranges(text):
    """The marked ranges of a rendered file, innermost first: (start, end, ids)."""
    found, open_marks = [], []
    for match in re.finditer(rb"/\*<([\d,]+)\*/|/\*>\*/", text):
        if match[1]:
            open_marks.append((match.start(), [int(id) for id in match[1].split(b",")]))
        else:
            start, ids = open_marks.pop()
            found.append((start, match.end(), ids))
    return sorted(found, key=lambda r: r[1] - r[0])
