"""The contract, to be read: as a table, one variable at length, or JSON."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Mapping
from typing import Any

from .container import Container
from .contract import FILE, OSLO, by_fate, is_secret
from .expressions import is_expression
from .failure import BAD_INPUT, Failure
from .foreign import owner
from .suggest import closest

TYPES = {
    "str": "one line of text",
    "name": "letters, digits, '.', '_' and '-'",
    "host": "an IP address or a DNS name, without a port",
    "hosts": "IP addresses or DNS names, with commas between them",
    "address": "an IP address",
    "addresses": "IP addresses, with commas between them",
    "cidr": "a network, such as 192.0.2.0/24",
    "port": "a number from 1 to 65535",
    "int": "a whole number",
    "bool": "true, yes, on or 1; false, no, off or 0",
    "url": "a URL",
    "enum": "one of a few words",
    "list": "items with commas between them",
    "path": "a path that starts with /",
    "secret": "one line that is never shown",
    "text": "several lines, such as a certificate; better as a file",
    "json": "JSON",
}
LONGEST_DEFAULT = 26
NARROWEST_HELP = 32
DEFAULT_WIDTH = 110


def as_json(container: Container, variable: str | None = None) -> str:
    """The contract for programs; with ``variable`` that one alone."""
    if variable is not None:
        variable = _stem(container, variable)
        return _dumps(_entry(variable, _find(container, variable)))
    return _dumps(
        {
            "image": container.image,
            "service": container.service,
            "release": container.release,
            "title": container.title,
            "variables": [_entry(name, entry) for name, entry in _ordered(container)],
            "overrides": container.overrides,
            "removed": container.removed,
            "files": list(container.templates),
            "wait_for": [wait["name"] for wait in container.wait_for],
            "bootstrap": [step["name"] for step in container.bootstrap],
            "command": container.command,
        }
    )


def as_text(container: Container, variable: str | None = None, width: int | None = None) -> str:
    """The contract for people; with ``variable`` that one at length."""
    if width is None:
        width = shutil.get_terminal_size((DEFAULT_WIDTH, 0)).columns
    if variable is not None:
        variable = _stem(container, variable)
        return _at_length(variable, _find(container, variable), width)
    paragraphs = [_heading(container), _table(container, width), _closing(container, width)]
    return "\n".join(paragraph for paragraph in paragraphs if paragraph)


def _entry(name: str, variable: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "type": variable.get("type", "str"),
        "help": variable.get("help", ""),
        "required": bool(variable.get("required")),
        "default": variable.get("default"),
        "example": variable.get("example"),
        "values": list(variable.get("values") or ()),
        "aliases": list(variable.get("aliases") or ()),
        "sets": list(variable.get("sets") or ()),
        "file": name + FILE,
        "secret": is_secret(variable),
    }


def _ordered(container: Container) -> list[tuple[str, dict[str, Any]]]:
    """Required first, each part in the order of the contract."""
    return sorted(container.contract.items(), key=lambda item: not item[1].get("required"))


def _stem(container: Container, name: str) -> str:
    """NAME of NAME_FILE; the present name of an earlier one."""
    stem = name if name in container.contract else name.removesuffix(FILE)
    present = (now for now, variable in container.contract.items() if stem in (variable.get("aliases") or ()))
    return stem if stem in container.contract else next(present, stem)


def _find(container: Container, name: str) -> dict[str, Any]:
    """A variable of the contract; Failure that says where else it belongs."""
    if name in container.contract:
        return container.contract[name]
    if name in container.removed:
        raise Failure(f"{name} is removed: {container.removed[name]}", code=BAD_INPUT)
    near, others = closest(name, container.contract), owner(name, container.environments)
    if name in container.known or others:
        hint = f"it belongs to {'other images' if name in container.known else others}, and is ignored here"
    else:
        hint = f"did you mean {near}?" if near else "`explain` lists all"
    raise Failure(f"{container.image} takes no variable {name}: {hint}", code=BAD_INPUT)


def _default(variable: Mapping[str, Any]) -> str:
    """A default as one would write it in a shell: references as $NAME."""
    default = variable.get("default")
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    text = str(default)
    if not is_expression(text):
        return text
    parts = [part.strip().removesuffix(" or ''") for part in text.replace("}}", "{{").split("{{")]
    plain = all(part.isidentifier() for part in parts[1::2]) and "{%" not in text
    return "".join(f"${part}" if index % 2 else part for index, part in enumerate(parts)) if plain else text


def _heading(container: Container) -> str:
    named = f"{container.image} {container.release}".rstrip()
    return f"{named}: {container.title}\n" if container.title else f"{named}\n"


def _table(container: Container, width: int) -> str:
    """Both halves of the contract, aligned with each other."""
    ordered = _ordered(container)
    if not ordered:
        return "It takes no variables.\n"
    names = max(len(name) for name, _ in ordered)
    kinds = max(len(entry.get("type", "str")) for _, entry in ordered)
    defaults = [len(_default(entry)) for _, entry in ordered if len(_default(entry)) <= LONGEST_DEFAULT]
    columns = (names, kinds, max([7, *defaults]))
    lines: list[str] = []
    for title, required in (("Required", True), ("Optional", False)):
        part = [(name, entry) for name, entry in ordered if bool(entry.get("required")) is required]
        if part:
            lines += ["", title] if lines else [title]
            for name, entry in part:
                lines += _row(name, entry, columns, width)
    return "\n".join(lines) + "\n"


def _row(name: str, variable: Mapping[str, Any], columns: tuple[int, int, int], width: int) -> list[str]:
    kind, default = variable.get("type", "str"), _default(variable)
    remarks = [str(variable.get("help") or "")]
    if variable.get("values"):
        remarks[0] += f" One of {', '.join(variable['values'])}."
    if is_secret(variable):
        remarks.append(f"as a file: {name}{FILE}")
    if variable.get("aliases"):
        remarks.append(f"earlier: {', '.join(variable['aliases'])}")
    if len(default) > LONGEST_DEFAULT:
        remarks.append(f"default: {default}")
        default = "..."
    if variable.get("sets"):
        remarks.append(f"sets: {'; '.join(variable['sets'])}")
    left = f"  {name:<{columns[0]}}  {kind:<{columns[1]}}  {default or '-':<{columns[2]}}  "
    room = max(width - len(left), NARROWEST_HELP)
    right = [line for remark in remarks for line in _wrapped(remark, room)]
    return [f"{left if index == 0 else ' ' * len(left)}{line}".rstrip() for index, line in enumerate(right or [""])]


def _wrapped(text: str, room: int) -> list[str]:
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False, subsequent_indent="  ")


def _closing(container: Container, width: int) -> str:
    """What holds for all variables, and what the image does with them."""
    facts = [("Files", f"NAME{FILE}, the path of a file, may be given instead of any NAME. Do so for secrets.")]
    if container.overrides == OSLO:
        text = "OS_<GROUP>__<OPTION> sets any other option, such as OS_DEFAULT__DEBUG=true."
        facts.append(("Beyond", f"{text} There $name is another option's value, and $$ a dollar."))
    elif container.overrides != "none":
        facts.append(("Beyond", f"{container.overrides}__<SECTION>__<key> sets any other option."))
    if container.system:
        facts.append(("Also", f"every other variable of {container.system} reaches the process as it is."))
    if container.templates:
        facts.append(("Writes", ", ".join(container.templates)))
    if container.wait_for:
        facts.append(("Waits for", ", ".join(wait["name"] for wait in container.wait_for)))
    facts += [("Removed", f"{', '.join(names)}: {text}") for names, text in by_fate(container.removed)]
    return "".join(_fact(title, text, 11, width) for title, text in facts)


def _at_length(name: str, variable: Mapping[str, Any], width: int) -> str:
    entry = _entry(name, variable)
    kind = entry["type"]
    facts = [
        ("type", f"{kind}: {', '.join(entry['values']) or TYPES.get(kind, '')}"),
        ("required", "yes" if entry["required"] else "no"),
        ("default", _default(variable)),
        ("example", "" if entry["example"] is None else str(entry["example"])),
        ("earlier", ", ".join(entry["aliases"])),
        ("file", f"{entry['file']}, the path of a file that holds it"),
        *(("sets" if index == 0 else " ", text) for index, text in enumerate(entry["sets"])),
    ]
    lines = "".join("  " + _fact(title, text, 10, width - 2) for title, text in facts if text)
    return f"{entry['name']}\n  {entry['help']}\n\n{lines}"


def _fact(title: str, text: str, column: int, width: int) -> str:
    room = max(width - column, NARROWEST_HELP)
    wrapped = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    return f"{title:<{column}}" + f"\n{'':<{column}}".join(wrapped) + "\n"


def _dumps(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
