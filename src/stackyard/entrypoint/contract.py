"""The contract of an image: which variables it takes, and what is wrong with the ones it was given.

Pure: the environment and a way to read files go in, an Outcome comes out. The container and the tool use the same
function, so what the tool accepts the container accepts.
"""

# ruff: noqa: PTH123
# pathlib would be one more import, and start-up time counts

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from .expressions import ExpressionError, NotGivenError, evaluate, is_expression, references
from .foreign import Environments, bare_name, left_around, origin, owner
from .log import MASK
from .suggest import closest
from .values import mask_credentials, parse

Contract = Mapping[str, Mapping[str, Any]]

FILE = "_FILE"
_STANDARD = """
    PATH HOME HOSTNAME HOST USER LOGNAME SHELL SHLVL PWD OLDPWD TERM COLUMNS LINES LANG LANGUAGE TZ TMPDIR _ container
    http_proxy https_proxy no_proxy all_proxy ftp_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY FTP_PROXY
    SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE VIRTUAL_ENV DEBIAN_FRONTEND GPG_KEY
"""
STANDARD = frozenset(_STANDARD.split())
STANDARD_PREFIXES = ("LC_", "PYTHON", "STACKYARD_", "XDG_", "MALLOC_")

OSLO = "oslo"
"""The syntax of options that oslo.config has."""

_ANY_BLANKS = ("text", "json")
_ANY_TEXT = ("str", "secret")
_BY_FILE = "; if they belong to the value, give {}, the path of a file that holds it"
_OVERRIDE = re.compile(r"OS_[A-Z0-9][A-Z0-9_]*?__[A-Z0-9][A-Z0-9_]*")
_SECRET_KEY = re.compile(r"(.*_)?(pass|password|passwd|passphrase|secret|token|key)", re.IGNORECASE)


class Problem(NamedTuple):
    """What is wrong with one variable, as a phrase that goes on after its name."""

    variable: str
    text: str


class Outcome(NamedTuple):
    """What an environment comes to."""

    values: dict[str, Any]
    """Every variable of the contract, as a Python value; None when it is not given and has no default."""
    errors: tuple[Problem, ...]
    """All that is wrong, in the order of the contract; strangers last."""
    notes: tuple[str, ...]
    """What stops nothing: `warning: …` of a secret in plain view, `note: …` of a removed variable."""


def read_file(path: str) -> str:
    """The default way to read a NAME_FILE."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def read_environment(
    contract: Contract,
    env: Mapping[str, str],
    read_file: Callable[[str], str] = read_file,
    *,
    known: Collection[str] = (),
    removed: Mapping[str, str] | None = None,
    overrides: str | None = None,
    environments: Environments | None = None,
) -> Outcome:
    """Read and validate everything at once.

    ``known`` are variables of other images and ``environments`` those of other systems, accepted in silence;
    ``removed`` those of old, with what became of them; ``overrides`` is the syntax of options beyond the contract,
    ``oslo`` when the image takes OS_<GROUP>__<OPTION>. An empty variable counts as not given, and so does a value that
    only a platform or another system gives.
    """
    env, renamed = _by_present_names(contract, env)
    removed = {name: text for name, text in (removed or {}).items() if name not in contract}
    reader = _Reader(contract, env, read_file, environments or {})
    strangers = _strangers(contract, env, {*known, *removed}, overrides, environments or {})
    reader.read_given()
    reader.fill_in_defaults()
    meant = {stranger.meant for stranger in strangers if not stranger.note}
    missing = [problem for problem in reader.missing() if problem.variable not in meant]
    order = {name: position for position, name in enumerate(contract)}
    errors = sorted((*reader.problems, *missing), key=lambda problem: order[problem.variable])
    problems = (*errors, *(Problem(each.name, each.text) for each in strangers if not each.note))
    notes = (f"{each.note}: {each.name} {each.text}" for each in strangers if each.note)
    fates = by_fate({name: text for name, text in removed.items() if _given(env, name)})
    gone = (f"note: {', '.join(names)} {'is' if len(names) == 1 else 'are'} removed: {text}" for names, text in fates)
    return Outcome(reader.values, problems, (*reader.notes, *renamed, *gone, *notes))


def by_fate(removed: Mapping[str, str]) -> list[tuple[list[str], str]]:
    """Variables of old with what became of them, which several may share."""
    found: dict[str, list[str]] = {}
    for name, text in sorted(removed.items()):
        found.setdefault(text, []).append(name)
    return [(names, text) for text, names in found.items()]


def _by_present_names(contract: Contract, env: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environment with the present names in place of earlier ones, and a note of each; a present name wins."""
    found, notes = dict(env), []
    for name, variable in contract.items():
        for alias in variable.get("aliases") or ():
            for before, now in ((alias, name), (alias + FILE, name + FILE)):
                if before in found:
                    found.setdefault(now, found.pop(before))
                    notes.append(f"note: {before} is {now} now")
    return found, notes


def is_secret(variable: Mapping[str, Any]) -> bool:
    """Whether the value must never be shown."""
    return variable.get("type") == "secret" or bool(variable.get("secret"))


def is_secret_key(name: str) -> bool:
    """Whether a key names a secret: ``password``, ``transport_secret``."""
    return bool(_SECRET_KEY.fullmatch(name))


def override_of(group: str, option: str, syntax: str = OSLO) -> str:
    """The variable that an option is read from; in oslo.config's ``syntax``, or as ``<WORD>__<SECTION>__<key>``."""
    if syntax != OSLO:
        return f"{syntax}__{group}__{option}".replace("-", "DASH")
    return f"OS_{group}__{option}".upper().replace("-", "_").replace(".", "_")


def secrets(contract: Contract, values: Mapping[str, Any]) -> list[str]:
    """The secret texts among the values, to keep them out of messages."""
    found: list[str] = []
    for name, value in values.items():
        if value is not None and name in contract:
            _collect(value, found, everything=is_secret(contract[name]))
    return found


def masked(contract: Contract, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, fit to be shown: secrets, passwords in URLs and secret keys of JSON replaced."""
    return {
        name: _mask(value, everything=name in contract and is_secret(contract[name])) for name, value in values.items()
    }


class _Reader:
    """One reading of an environment: values, problems and notes as they come up."""

    def __init__(
        self,
        contract: Contract,
        env: Mapping[str, str],
        read_file: Callable[[str], str],
        environments: Environments,
    ) -> None:
        self.contract = contract
        self.env = env
        self.read_file = read_file
        self.environments = environments
        self.values: dict[str, Any] = dict.fromkeys(contract)
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.broken: set[str] = set()
        self.empty: set[str] = set()

    def read_given(self) -> None:
        """Take what the environment and its files say."""
        for name, variable in self.contract.items():
            text = self.text_of(name)
            if text and not self.passed_over(name, variable, text):
                self.accept(name, variable, text)
                if is_secret(variable) and self.env.get(name):
                    self.notes.append(
                        f"warning: {name} is a secret, and `docker inspect` shows every environment variable: "
                        f"better give {name}{FILE}, the path of a file that holds it"
                    )
                if " #" in self.env.get(name, "") and variable.get("type", "str") in _ANY_TEXT:
                    self.notes.append(
                        f"warning: {name} has a # after a blank, which is no comment but part of its value"
                    )

    def text_of(self, name: str) -> str:
        """The text given for a variable, directly or through its file; empty when there is none."""
        path = self.env.get(name + FILE, "") if name + FILE not in self.contract else ""
        direct = self.env.get(name, "")
        if path and direct:
            self.fail(name, f"is given twice, as {name} and as {name}{FILE}: remove one")
            return ""
        kind = self.contract[name].get("type", "str")
        around = left_around(path) or left_around(direct, blanks=kind not in _ANY_BLANKS)
        if around:
            which, more = (f"as {name}{FILE} ", "") if path else ("", _BY_FILE.format(name + FILE))
            self.fail(name, f"{which}{around}: take them away{more}")
            return ""
        if not path:
            self.empty.update((name,) if name in self.env and not direct else ())
            return direct
        try:
            text = self.read_file(path).rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "it is not text"
            self.fail(name, f"cannot be read: {name}{FILE} names {path}: {reason}")
            return ""
        if not text:
            self.fail(name, f"is empty: there is nothing in {path}, which {name}{FILE} names")
        return text

    def passed_over(self, name: str, variable: Mapping[str, Any], text: str) -> bool:
        """Whether a value does not fit because somebody else gave it, who means another thing by the name."""
        whose = origin(name, text, self.environments)
        if whose:
            try:
                parse(variable.get("type", "str"), text, variable.get("values") or ())
            except ValueError:
                self.notes.append(f"note: {name} counts as not given: {text} {whose}")
                return True
        return False

    def accept(self, name: str, variable: Mapping[str, Any], text: str, origin: str = "") -> None:
        """Validate a text and keep its value."""
        try:
            value = parse(variable.get("type", "str"), text, variable.get("values") or ())
            if characters := variable.get("characters"):
                _only(characters, value)
            self.values[name] = value
        except ValueError as error:
            phrase = str(error)
            if is_secret(variable) and variable.get("type") != "json":
                phrase = phrase.replace(repr(text), f"its value ({len(text)} characters, not shown)")
            self.fail(name, phrase + origin)

    def fail(self, name: str, text: str) -> None:
        """Note what is wrong; nothing more is said about that variable."""
        self.broken.add(name)
        self.problems.append(Problem(name, text))

    def fill_in_defaults(self) -> None:
        """Give every variable that is not given its default, after those that the default refers to."""
        done: set[str] = set()
        for name in self.contract:
            self.fill_in(name, (), done)

    def fill_in(self, name: str, path: tuple[str, ...], done: set[str]) -> None:
        """Give one variable its default."""
        if name in path:
            circle = " -> ".join((*path[path.index(name) :], name))
            if not self.broken.intersection(path):
                self.fail(name, f"has a default that depends on itself: {circle} (a mistake in the catalogue)")
            return
        if name in done or self.values[name] is not None or name in self.broken:
            return
        default = self.contract[name].get("default")
        if default is None:
            return
        text = str(default).lower() if isinstance(default, bool) else str(default)
        for other in references(text, self.contract):
            self.fill_in(other, (*path, name), done)
        done.add(name)
        if name not in self.broken and not self.broken.intersection(references(text, self.contract)):
            self.default(name, text)

    def default(self, name: str, text: str) -> None:
        """Evaluate and keep a default; one that refers to something not given is none."""
        try:
            value = evaluate(text, self.values)
        except NotGivenError:
            return
        except ExpressionError as error:
            self.fail(name, f"has a default that cannot be evaluated: {error} (a mistake in the catalogue)")
            return
        if value:
            origin = f" (its default, {text})" if is_expression(text) else " (its default; a mistake in the catalogue)"
            self.accept(name, self.contract[name], value, origin)

    def missing(self) -> list[Problem]:
        """Required variables without a value."""
        return [
            Problem(name, self.required(name, variable))
            for name, variable in self.contract.items()
            if variable.get("required") and self.values[name] is None and not self.explained(name)
        ]

    def explained(self, name: str) -> bool:
        """Whether another problem is the reason why a variable has no value."""
        needed = references(str(self.contract[name].get("default")), self.contract)
        return name in self.broken or any(
            other in self.broken or (self.contract[other].get("required") and self.values[other] is None)
            for other in needed
        )

    def required(self, name: str, variable: Mapping[str, Any]) -> str:
        """How to say that a variable is missing."""
        text = f"is required and {'empty' if name in self.empty else 'not given'}: {variable.get('help') or ''}"
        needed = references(str(variable.get("default")), self.contract)
        if needed:
            text = f"{text} (by default made from {', '.join(needed)})"
        elif is_secret(variable):
            text = f"{text} ({name}{FILE} names a file that holds it)"
        elif variable.get("example") is not None:
            text = f"{text} (for example {variable['example']})"
        return text


class _Stranger(NamedTuple):
    """A variable that nobody knows: what is said of it, the one that was meant, and `note` when it stops nothing."""

    name: str
    text: str
    meant: str | None = None
    note: str = ""


def _given(env: Mapping[str, str], name: str) -> bool:
    return name in env or name + FILE in env


def _strangers(
    contract: Contract,
    env: Mapping[str, str],
    known: Collection[str],
    overrides: str | None,
    environments: Environments,
) -> list[_Stranger]:
    """Variables that nobody knows and that look like a slip."""
    found = []
    accepted = {*contract, *known}
    prefixes = (*STANDARD_PREFIXES, *([f"{overrides}__"] if overrides not in {None, OSLO, "none"} else []))
    for name in sorted(env):
        stem = name.removesuffix(FILE)
        if name in accepted or stem in accepted or name in STANDARD or name.startswith(prefixes):
            continue
        stranger = _dressed(name, contract, env, overrides)
        if stranger is None and (owner(name, environments, env[name]) or owner(stem, environments)):
            continue
        if stranger is None and name.upper().startswith("OS_") and "__" in name:
            stranger = _override(name, env[name], overrides)
        stranger = stranger or _slip(name, stem, contract, env)
        if stranger:
            found.append(stranger)
    return found


def _dressed(name: str, contract: Contract, env: Mapping[str, str], overrides: str | None) -> _Stranger | None:
    """A name that is right but for what stands around it."""
    bare = bare_name(name)
    stem = bare.removesuffix(FILE)
    if bare == name or not (bare in contract or stem in contract or (overrides and _OVERRIDE.fullmatch(bare))):
        return None
    what = "`export ` before it" if "export" in name.removesuffix(bare) else "blanks or invisible characters around it"
    text = f"is a name with {what}, which a file of variables must not have: write {bare}"
    return _Stranger(name, text, stem, "note" if _given(env, stem) else "")


def _slip(name: str, stem: str, contract: Contract, env: Mapping[str, str]) -> _Stranger | None:
    """A near miss of a name in the contract."""
    near = closest(stem, contract)
    if near is None or name.startswith("OS_"):
        return None
    if _given(env, near):
        return _Stranger(name, f"is unknown, and passed over; {near} is given", near, "note")
    right = near + name[len(stem) :]
    text = f"is unknown: did you mean {right}"
    return _Stranger(name, text + (", which is required?" if contract[near].get("required") else "?"), near)


def _override(name: str, text: str, overrides: str | None) -> _Stranger | None:
    """What is wrong with an OS_<GROUP>__<OPTION>."""
    if overrides != OSLO:
        why = "is an oslo.config override, and this image takes none: remove it, or give it to the image it is for"
        return _Stranger(name, why)
    if _OVERRIDE.fullmatch(name):
        around = left_around(text)
        return _Stranger(name, around, note="warning") if around else None
    why = "is not an override: OS_<GROUP>__<OPTION>, in capitals"
    if _OVERRIDE.fullmatch(name.upper().replace("-", "_")):
        why += f"; did you mean {name.upper().replace('-', '_')}?"
    return _Stranger(name, why)


def _only(characters: str, value: Any) -> None:
    found: list[str] = []
    _collect(value, found, everything=True)
    if not all(text.isascii() for text in found):
        raise ValueError("has characters beyond ASCII in it, which its reader does not take")
    if characters == "plain" and not all(re.fullmatch(r"[\w.+=-]*", text) for text in found):
        raise ValueError("has other characters in it than letters, digits and _.+=-, which not all its readers take")


def _collect(value: Any, found: list[str], *, everything: bool) -> None:
    if isinstance(value, str):
        if everything:
            found.append(value)
        else:
            found.extend(re.findall(r"://[^:/@\s]*:([^@/\s]+)@", value))
    elif isinstance(value, dict):
        for key, item in value.items():
            _collect(item, found, everything=everything or is_secret_key(str(key)))
    elif isinstance(value, list):
        for item in value:
            _collect(item, found, everything=everything)


def _mask(value: Any, *, everything: bool) -> Any:
    if isinstance(value, str):
        return MASK if everything else mask_credentials(value)
    if isinstance(value, dict):
        return {k: _mask(v, everything=everything or is_secret_key(str(k))) for k, v in value.items()}
    if isinstance(value, list):
        return [_mask(item, everything=everything) for item in value]
    return value
