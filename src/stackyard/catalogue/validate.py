"""Data into models; what pydantic finds becomes problems with file, line, path and remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_network
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from stackyard.catalogue.problems import Loc, Problems, locate, suggest
from stackyard.catalogue.yamlsource import Map
from stackyard.entrypoint.contract import is_secret_key
from stackyard.entrypoint.log import MASK

M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], data: Map, problems: Problems) -> M | None:
    """Instance of ``model``; None, with the reasons in ``problems``, when the data does not fit."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        seen: set[Loc] = set()
        for item in error.errors(include_url=False):
            mark, found = locate(data, item["loc"])
            path = item["loc"] if item["type"] == "missing" else found
            if path not in seen:  # each member of a union complains on its own
                seen.add(path)
                problems.add(mark, path, *_words(model, path, item, mark.text))
    return None


def _words(model: type[BaseModel], path: Loc, item: Mapping[str, Any], text: str | None) -> tuple[str, str]:
    """Message and remedy of one of pydantic's errors."""
    kind, value = item["type"], item["input"]
    written = text if text is not None else value
    secret = path[-2:-1] in {("settings",), ("environment",)} and is_secret_key(str(path[-1]))
    if secret:
        written = MASK
    if kind == "extra_forbidden":
        return "unknown key", suggest(str(path[-1]), _keys(model, path[:-1]), "known keys")
    if kind == "missing":
        return "is missing", f"add `{path[-1]}:`" + _described(model, path)
    if kind in _FORMS:
        message, remedy = _FORMS[kind]
        return f"`{written}` {message}", _network(kind, written) or remedy + str(
            item.get("ctx", {}).get("expected", "")
        )
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f"must be text, and `{written}` is {_named(value)}", "put it in quotes" + (
            "" if secret else f": {json.dumps(str(written))}"
        )
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}, not {_named(value)}", _REMEDIES[kind] + _described(model, path)
    return _said(item["msg"], written, _described(model, path))


def _said(text: str, written: Any, described: str) -> tuple[str, str]:
    """Message and remedy of an error that has no words of ours; one of our own has both, with a semicolon between."""
    said, _, advice = text.partition("; ")
    said = said.replace("Input should be", "it must be").replace("String should match pattern", "it must match")
    if advice:
        return said, advice
    return f"`{written}` does not fit: {said}", "correct the value" + described


def _network(kind: str, written: Any) -> str:
    """Remedy for an address inside a network in place of its first, or nothing."""
    try:
        return f"write {ip_network(str(written), strict=False)}" if kind in _NETWORKS else ""
    except ValueError:
        return ""


_NETWORKS = ("ip_v4_network", "ip_v6_network")
_ADDRESS = ("is not an IP address", "write it as 192.0.2.10 or 2001:db8::10")
_NETWORK = ("is not a network", "write its first address and prefix length, as 192.0.2.0/24")
_FORMS = {
    "ip_v4_address": _ADDRESS,
    "ip_v6_address": _ADDRESS,
    "ip_v4_network": _NETWORK,
    "ip_v6_network": _NETWORK,
    "too_short": ("is too short", "add an entry"),
    "literal_error": ("is not one of the allowed values", "write "),
}
_WANTED = {
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
_REMEDIES = {kind: f"write {wanted}" for kind, wanted in _WANTED.items()} | {
    "tuple_type": "write it as [one, two]",
    "list_type": "write it as [one, two]",
    "dict_type": "write `key: value` lines below it",
    "model_type": "write `key: value` lines below it",
    "model_attributes_type": "write `key: value` lines below it",
}


def _named(value: Any) -> str:
    """What a value of YAML is called."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a mapping" if isinstance(value, dict) else "a list"


def _described(model: type[BaseModel], path: Loc) -> str:
    """What the models say of the field at ``path``, in brackets, or nothing."""
    owner = _model_at(model, path[:-1]) if path else None
    field = owner.model_fields.get(str(path[-1])) if owner else None
    return f": {field.description.rstrip('.')}" if field and field.description else ""


def _keys(model: type[BaseModel], path: Loc) -> list[str]:
    """Keys that the mapping at ``path`` may have."""
    owner = _model_at(model, path)
    return list(owner.model_fields) if owner else []


def _model_at(model: type[BaseModel], path: Loc) -> type[BaseModel] | None:
    """Model that the value at ``path`` must fit, if it is one."""
    kind: Any = model
    for part in path:
        if owner := _as_model(kind):
            if part not in owner.model_fields:
                return None
            kind = owner.model_fields[str(part)].annotation
        else:
            kind = _inner(kind)
    return _as_model(kind)


def _inner(kind: Any) -> Any:
    """Type of the values of ``dict[str, X]`` or of the items of ``tuple[X, ...]``."""
    args = get_args(kind)
    if kind is not None and getattr(kind, "__origin__", None) is dict:
        return args[1]
    return args[0] if args else None


def _as_model(kind: Any) -> type[BaseModel] | None:
    """The model itself, or the one that a union holds, or that something is said of."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    inside = get_args(kind) if get_origin(kind) in {Annotated, Union, UnionType} else ()
    return next(filter(None, map(_as_model, inside)), None)
