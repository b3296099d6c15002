"""Switches mutants of constants. A constant cannot look at the environment. So each mutant is
another constant beside it, and every expression that uses the first one chooses between them."""

import pathlib
import re

import schemata
from listed import ROOT, TREE


def of(mutant, file):
    """The constant that a mutant changes, if a name leads to it."""
    item = schemata.enclosing(file.at(mutant), "const_item", schemata.FUNCTION)
    return item if item and item.type == "const_item" else None


def sites(files, mutants):
    """For each path in the copy, the sites for these mutants of constants."""
    by_name, found = {}, {}
    for mutant in mutants:
        file = files[mutant.file]
        item = of(mutant, file)
        if item is None:
            continue
        name = item.child_by_field_name("name").text.decode()
        by_name.setdefault((name, mutant.file, item.start_byte), []).append(mutant)
        site = schemata.Site(item.end_byte, item.end_byte, 0, "constant", item, [mutant])
        found.setdefault(mutant.file, []).append(site)
    alternatives = {}
    for (name, file, start), group in by_name.items():
        alternatives.setdefault(name, []).append((file, group))
    pattern = re.compile(rb"\b((?:\w+::)*)(%s)\b" % "|".join(alternatives).encode())
    for path in sorted(TREE.rglob("*.rs")) if alternatives else ():
        name = str(path.relative_to(TREE))
        if (ROOT / name).exists():
            file = files.get(name) or schemata.File((ROOT / name).read_bytes(), [])
            uses = list(uses_in(name, file, pattern, alternatives))
            if uses:
                files.setdefault(name, file)
                found.setdefault(name, []).extend(uses)
    return found


def uses_in(name, file, pattern, alternatives):
    for match in pattern.finditer(file.source):
        owners = alternatives[match[2].decode()]
        module = match[1].split(b"::")[-2].decode() if match[1] else None
        group = next((g for f, g in owners if is_meant(f, name, module)), None)
        if group is None and len(owners) > 1:
            continue  # several constants have this name
        group = group or owners[0][1]
        node = file.tree.root_node.descendant_for_byte_range(match.start(2), match.end(2))
        if schemata.enclosing(node, "use_declaration"):
            yield schemata.Site(match.start(2), match.end(2), 9, "import", node, group)
        elif node.type == "identifier" and not is_fixed(node):
            yield schemata.Site(match.start(), match.end(), 9, "use", node, group)


def is_meant(owner, file, module):
    return pathlib.PurePath(owner).stem == module if module else owner == file


def is_fixed(node):
    """Whether only a constant can be here."""
    if schemata.is_constant(node) or not schemata.enclosing(node, schemata.FUNCTION):
        return True
    parent = node.parent
    while parent and parent.type == "scoped_identifier":
        node, parent = parent, parent.parent
    return parent.type == "match_pattern" and parent.child_by_field_name("condition") != node
