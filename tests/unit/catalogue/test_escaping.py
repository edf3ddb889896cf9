"""Every template of the catalogue holds every value: what its real reader reads is what the variable was given."""

import ast
import json
import re
import shlex
import string
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree as ET

import jinja2
import pytest
import yaml
from jinja2 import nodes
from oslo_config import cfg

from stackyard.catalogue import Catalogue, catalogue_root, load, releases, sdns
from stackyard.catalogue.container import container_json
from stackyard.entrypoint.container import Container
from stackyard.entrypoint.contract import Problem, read_environment
from stackyard.entrypoint.files import render
from stackyard.entrypoint.formats import FORMATS, format_of
from stackyard.entrypoint.session import Session
from stackyard.model.site import Packages, Source

ROOT = catalogue_root()
PACKAGES = {"opensdn": Source(packages=Packages(url="http://192.0.2.1/", suite="./", unsigned=True))}
CATALOGUES = [
    load(ROOT, release, sdn, sources=sources)
    for release in releases(ROOT)
    for sdn in sdns(ROOT)
    for sources in ({}, PACKAGES if sdn == "opencontrail" else None)
    if sources is not None
]
OVN = next(each for each in CATALOGUES if each.sdn == "ovn")
IMAGES = {
    (catalogue.sdn, str(runtime.templates), tuple(runtime.contract)): (catalogue, image)
    for catalogue in CATALOGUES
    for image in catalogue.images
    if (runtime := catalogue.effective(image)).templates
}.values()
"""One of those that render the same templates with the same variables."""
AWKWARD = (
    string.digits + string.ascii_letters + string.punctuation + " äß€漢🙂",
    "Pa$$w0rd",
    "a$user",
    '"in quotes"',
    "'in quotes'",
    " blanks at both ends ",
    "\u00a0other blanks\u2003",
    "tab\tin it\t",
    "'",
    '"',
    "$",
    "\\$HOST_IP\\",
    "${HOST_IP}$(id)`id`",
    "100% %(x)s %d",
    "# no ; comment #",
    "; DROP TABLE x; --",
    "=a=b:c",
    "[DEFAULT]",
    "a,b@c/d?e&f",
    "{{ HOST_IP }}{% x %}",
    "<b>&amp;",
    "\x7f\x85\u2028\ufeff🙂",
    'it\'s "both"\\',
)
FREE = {"str", "secret", "url", "path", "list", "json"}
"""Types whose values may have any character, or nearly."""


# ---------------------------------------------------------------- readers: a file -> the texts in it, in order


def read_ini(text: str, folder: Path) -> list[str]:
    """Read it as oslo.config does."""
    file = folder / "read.conf"
    file.write_text(text, encoding="utf-8")
    sections: dict[str, dict[str, list[str]]] = {}
    cfg.ConfigParser(str(file), sections).parse()
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(file)], use_env=False)
    found = []
    for group, options in sections.items():
        for name in options:
            conf.register_opt(cfg.StrOpt(name), group=None if group == "DEFAULT" else group)
            found.append(conf[name] if group == "DEFAULT" else conf[group][name])
    return found


def read_python(text: str, _: Path) -> list[str]:
    return [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant) and node.value]


def read_sql(text: str, _: Path) -> list[str]:
    """Read literals and quoted names as MariaDB's manual describes them, and what is between them."""
    token = re.compile(r"'((?:[^'\\]|\\.|'')*)'|`((?:[^`]|``)*)`(\.\*)?|([^'`]+)", re.DOTALL)
    assert token.sub("", text) == ""
    found = []
    for literal, name, pattern, rest in token.findall(text):
        name = re.sub(r"\\(.)", r"\1", name) if pattern else name  # noqa: PLW2901 - of GRANT
        found.append(
            re.sub(r"''|\\(.)", lambda m: m[1] or "'", literal) if literal else name.replace("``", "`") or rest
        )
    return found


def read_shell(text: str, folder: Path) -> list[str]:
    file = folder / "read.sh"
    file.write_text(text, encoding="utf-8")
    command = f"set -a; . {shlex.quote(str(file))}; env -0"
    done = subprocess.run(["bash", "-c", command], env={}, capture_output=True, text=True, check=True)
    return sorted(done.stdout.split("\0"))


def read_erlang(text: str, _: Path) -> list[str]:
    """Read strings as Erlang, and Redis, read them."""
    escapes = {"n": "\n", "r": "\r"}
    return [
        re.sub(r"\\(.)", lambda m: escapes.get(m[1], m[1]), string)
        for string in re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    ]


READERS: dict[str, Callable[[str, Path], Any]] = {
    "ini": read_ini,
    "json": lambda text, _: json.loads(text),
    "python": read_python,
    "sql": read_sql,
    "shell": read_shell,
    "plain": lambda text, _: text.splitlines(),
    "text": lambda text, _: text.splitlines(),
    "cnf": lambda text, _: text.splitlines(),  # the catalogue has numbers and addresses in it, which are plain
    "erlang": read_erlang,
    "xml": lambda text, _: list(ET.fromstring(text).itertext()),  # noqa: S314
    "yaml": lambda text, _: yaml.safe_load(text),
}


# ---------------------------------------------------------------- every template, every value


def value_of(variable: Mapping[str, Any], text: str) -> str:
    """Return a value of the variable's type with the text in it, which fits."""
    if variable["type"] == "json":
        return json.dumps(put(json.loads(variable["example"] or "[]") or [{"user": "x"}], text))
    return {"url": "http://192.0.2.10/", "path": "/"}.get(variable["type"], "") + text


def put(example: Any, text: str) -> Any:
    """Return the example with the text in place of each of its texts."""
    if isinstance(example, dict):
        return {key: put(each, text) for key, each in example.items()}
    if isinstance(example, list):
        return [put(each, text) for each in example]
    return text if isinstance(example, str) else example


def fit(variable: Mapping[str, Any], text: str) -> str:
    """Leave out of the text what the type does not take."""
    if variable["characters"]:
        text = text.encode("ascii", "ignore").decode()
    if variable["characters"] == "plain":
        text = re.sub(r"[^\w.+=-]", "", text) or "-"
    if variable["type"] == "url":
        return "".join(text.split())
    return " ".join(text.replace(",", " ").split()) if variable["type"] == "list" else text


PEM = "".join(
    f"-----BEGIN {kind}-----\nMIIB\n-----END {kind}-----\n" for kind in ("PRIVATE KEY", "CERTIFICATE", "CERTIFICATE")
)
EXAMPLES = {
    "text": PEM,
    "host": "192.0.2.10",
    "hosts": "192.0.2.10,192.0.2.11",
    "addresses": "192.0.2.10,192.0.2.11",
    "address": "192.0.2.10",
    "name": "name",
}


class Case:
    """An image, and what its variables are given."""

    def __init__(self, catalogue: Catalogue, image: str) -> None:
        self.catalogue = catalogue
        self.data = container_json(catalogue, image)
        self.contract = self.data["contract"]
        self.free = [name for name, each in self.contract.items() if each["type"] in FREE]

    def render(self, texts: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
        """Render every file with these texts, given as files, in the variables that are free."""
        env = {
            name: each["example"] or EXAMPLES[each["type"]]
            for name, each in self.contract.items()
            if name not in texts and each["default"] is None and each["type"] in EXAMPLES
        }
        held = {name: value_of(self.contract[name], text) for name, text in texts.items()}
        outcome = read_environment(self.contract, env | {f"{name}_FILE": name for name in texts}, held.__getitem__)
        assert outcome.errors == ()
        session = Session(Container(self.data, ""), outcome.values, "")
        folders = self.catalogue.template_folders(self.data["service"])
        files, problems = render(self.data["templates"], session.context, folders)
        return {target: content for target, content, _ in files}, problems

    def format(self, target: str) -> str:
        return format_of(target, self.data["templates"][target]["format"])

    def read(self, files: Mapping[str, str], folder: Path) -> dict[str, Any]:
        """Read every file with the reader of its format."""
        return {target: READERS[self.format(target)](content, folder) for target, content in files.items()}

    def wanted(self, read: Any, marks: Mapping[str, str], texts: Mapping[str, str]) -> Any:
        """Put the texts where the marks are in what was read; in a part of a URL, as a URL has it."""
        if isinstance(read, dict):
            return {key: self.wanted(item, marks, texts) for key, item in read.items()}
        if isinstance(read, list):
            return [self.wanted(item, marks, texts) for item in read]
        if not isinstance(read, str):
            return read
        for name, mark in marks.items():
            part = "://" in read and self.contract[name]["type"] != "url"
            read = read.replace(mark, quote(texts[name], safe="*") if part else texts[name])
        return read


@pytest.mark.parametrize(("catalogue", "image"), IMAGES, ids=lambda value: value if isinstance(value, str) else "")
def test_every_value_is_read_back_or_refused_by_name(catalogue: Catalogue, image: str, tmp_path: Path) -> None:
    case = Case(catalogue, image)
    marks = {name: f"zq{index}qz" for index, name in enumerate(case.free)}
    files, problems = case.render(marks)
    assert problems == []
    assert len(files) == len(case.data["templates"])
    plain = case.read(files, tmp_path)
    for target, content in files.items():
        for mark in marks.values():
            assert content.count(mark) == json.dumps(plain[target], ensure_ascii=False).count(mark), target
    for turn in range(len(AWKWARD)):
        texts = {
            name: fit(case.contract[name], AWKWARD[(turn + index) % len(AWKWARD)])
            for index, name in enumerate(case.free)
        }
        made, problems = case.render(texts)
        while problems:  # of each file, the first
            for problem in problems:
                target = re.search(r"cannot be written to (\S+) \(", problem.text)
                assert target
                assert case.format(target[1]) == "plain"
            refused = {problem.variable for problem in problems}
            assert all(texts[name] != marks[name] for name in refused)
            texts |= {name: marks[name] for name in refused}
            made, problems = case.render(texts)
        assert case.read(made, tmp_path) == case.wanted(plain, marks, texts)


@pytest.mark.parametrize(
    ("form", "image"), [("ini", "glance-api"), ("json", "rabbitmq"), ("sql", "mariadb"), ("python", "keystone")]
)
def test_without_its_format_a_value_is_not_read_back(
    form: str, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMATS, form, str)
    with pytest.raises((AssertionError, ValueError, SyntaxError, cfg.Error)):
        test_every_value_is_read_back_or_refused_by_name(OVN, image, tmp_path)


# ---------------------------------------------------------------- no way round


def loopholes(source: str) -> Iterator[str]:
    """What in a template would print a value that is not written as its format wants it."""
    tree = jinja2.Environment().parse(source)  # noqa: S701 - not rendered
    for node in tree.find_all((nodes.EvalContextModifier, nodes.MarkSafe, nodes.MarkSafeIfAutoescape)):
        yield f"line {node.lineno}: switches escaping"
    for node in tree.find_all((nodes.AssignBlock, nodes.FilterBlock)):
        yield f"line {node.lineno}: changes or keeps what is written already: set a value, or write a macro"
    macros = {each.name for each in tree.find_all(nodes.Macro)}
    modules = {each.target for each in tree.find_all(nodes.Import)}
    printed = {id(child) for output in tree.find_all(nodes.Output) for child in output.nodes}
    for call in tree.find_all(nodes.Call):
        of = call.node.node if isinstance(call.node, nodes.Getattr) else call.node
        if isinstance(of, nodes.Name) and of.name in macros | modules and id(call) not in printed:
            yield f"line {call.lineno}: what a macro returns is joined with something, or changed: print it alone"


TEMPLATES = sorted(ROOT.rglob("*.j2"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_gets_round_the_escape(path: Path) -> None:
    assert list(loopholes(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "{% autoescape false %}{{ A }}{% endautoescape %}",
        "{% import 'x.j2' as x %}{{ x.y() ~ A }}",
        "{% macro y() %}{% endmacro %}{{ y() + A }}",
        "{% set y %}a{% endset %}{{ y ~ A }}",
        "{% filter replace('a', A) %}a{% endfilter %}",
        "{% macro y() %}{% endmacro %}{% set z = y() %}{{ z + A }}",
        "{% import 'x.j2' as x %}{{ x.y() | replace('a', A) }}",
    ],
)
def test_a_way_round_the_escape_is_found(source: str) -> None:
    assert list(loopholes(source))


# ---------------------------------------------------------------- inputs of users


def options(image: str, path: str, folder: Path, **given: str) -> Callable[[str, str], str]:
    """Render a file of an image and return how oslo.config reads an option of it."""
    case = Case(OVN, image)
    files, problems = case.render({**dict.fromkeys(case.free, "x"), **given})
    assert problems == []
    file = folder / "read.conf"
    file.write_text(files[path], encoding="utf-8")
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(file)], use_env=False)

    def option(group: str, name: str) -> str:
        conf.register_opt(cfg.StrOpt(name), group=group)
        return str(conf[group][name])

    return option


@pytest.mark.parametrize("password", ["Pa$$w0rd", "a$user", '"in quotes"', " blanks at both ends "])
def test_a_password_reaches_the_service_and_the_database_as_it_is(password: str, tmp_path: Path) -> None:
    given = {"KEYSTONE_PASSWORD": password, "DATABASE_PASSWORD": password}
    option = options("glance-api", "/etc/glance/glance-api.conf", tmp_path, **given)
    assert option("keystone_authtoken", "password") == password
    assert unquote(urlsplit(option("database", "connection")).password or "") == password


def test_both_sides_of_the_metadata_secret_read_the_same(tmp_path: Path) -> None:
    given = {"NEUTRON_METADATA_SECRET": "s$cret"}
    nova = options("nova-metadata", "/etc/nova/nova.conf", tmp_path, **given)
    agent = options("neutron-ovn-agent", "/etc/neutron/neutron_ovn_agent.ini", tmp_path, **given)
    name = "metadata_proxy_shared_secret"
    assert nova("neutron", name) == agent("DEFAULT", name) == "s$cret"


@pytest.mark.parametrize("password", AWKWARD)
def test_clients_of_the_broker_have_its_password(password: str, tmp_path: Path) -> None:
    option = options("nova-conductor", "/etc/nova/nova.conf", tmp_path, RABBIT_PASSWORD=password)
    assert unquote(urlsplit(option("DEFAULT", "transport_url")).password or "") == password


def test_a_database_password_that_its_client_cannot_send_is_refused() -> None:
    contract = Case(OVN, "glance-api").contract
    problems = read_environment(contract, {"DATABASE_PASSWORD": "pässword"}).errors
    assert [problem.variable for problem in problems if "beyond ASCII" in problem.text] == ["DATABASE_PASSWORD"]
