"""How values are written, by format, read by the real reader where there is one here."""

from __future__ import annotations

import ast
import json
import subprocess

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oslo_config import cfg

from stackyard.entrypoint import formats
from stackyard.entrypoint.expressions import UnwritableError
from stackyard.entrypoint.formats import FORMATS, format_of
from stackyard.entrypoint.render import Renderer

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
LINE = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]))


@given(TEXT)
def test_law_what_is_written_is_read(text):
    assert json.loads(formats.tojson(text)) == text
    assert yaml.safe_load(f"key: {formats.yaml(text)}\n") == {"key": text}
    assert ast.literal_eval(FORMATS["python"](text)) == text


@given(LINE)
@example('"')
@example("\\$a\\\\$$")
@example("\x85 \u2003")
def test_law_oslo_config_reads_what_is_written(tmp_path_factory, line):
    file = tmp_path_factory.mktemp("ini") / "x.conf"
    file.write_text(f"[a]\nb = {formats.ini(line)}\n", encoding="utf-8")
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.StrOpt("b"), group="a")
    conf.register_opt(cfg.MultiStrOpt("m", deprecated_name="b"), group="a")
    conf([], default_config_files=[str(file)], use_env=False)
    assert (conf.a.b, conf.a.m) == (line, [line])


@settings(deadline=None)  # it starts a process, which takes long on a busy machine
@given(st.lists(TEXT.filter(bool)))
def test_law_a_shell_reads_what_is_written(texts):
    command = f"printf '%s\\0' {' '.join(map(formats.shell, texts))}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[: len(texts)] == [text.encode() for text in texts]


@pytest.mark.parametrize(
    ("form", "value", "written"),
    [
        ("ini", "a b", "a b"),
        ("ini", True, "True"),
        ("ini", 80, "80"),
        ("ini", "Pa$$w0rd", "Pa\\$\\$w0rd"),
        ("ini", '"in quotes"', '""in quotes""'),
        ("ini", " blanks ", '" blanks "'),
        ("cnf", "/run/x.sock", "/run/x.sock"),
        ("cnf", "a b", '"a b"'),
        ("cnf", "a\"'\\#\n", '"a\\"\'\\\\#\\n"'),
        ("cnf", 3306, "3306"),
        ("sql", "it's \\", "'it''s \\\\'"),
        ("sql", 5, "5"),
        ("erlang", 'a"b\\c', '"a\\"b\\\\c"'),
        ("erlang", True, "true"),
        ("erlang", 5, "5"),
        ("json", {"a": ["ä", None]}, '{"a": ["ä", null]}'),
        ("yaml", "a: \x7f", '"a: \\u007f"'),
        ("python", "it's", '"it\'s"'),
        ("shell", "a b", "'a b'"),
        ("plain", "[2001:db8::1]:80", "[2001:db8::1]:80"),
        ("text", "it's $5 & more", "it's $5 & more"),
        ("xml", "<b a=\"x\" b='y'>&", "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;"),
    ],
)
def test_known_answers(form, value, written):
    """MariaDB's and Erlang's as their manuals have them; tests/cloud and a look at the real readers agree."""
    assert FORMATS[form](value) == written


def test_names_of_databases():
    assert formats.identifier("a`b") == "`a``b`"
    assert formats.identifier(formats.pattern("nova_api%\\")) == "`nova\\_api\\%\\\\`"


@pytest.mark.parametrize(
    ("form", "value", "reason"),
    [
        ("ini", "a\nb", "line break"),
        ("ini", "a\rb", "line break"),
        ("ini", ["a"], "a list"),
        ("text", ["a"], "a list"),
        ("shell", {"a": "b"}, "a mapping"),
        ("plain", "a b", "characters"),
        ("plain", "a$b", "characters"),
        ("plain", "é", "characters"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(form, value, reason):
    with pytest.raises(ValueError, match=reason):
        FORMATS[form](value)


@pytest.mark.parametrize(
    ("target", "said", "form"),
    [
        ("/etc/nova/nova.conf", None, "ini"),
        ("/etc/x.ini", None, "ini"),
        ("/etc/broker.conf", "plain", "plain"),
        ("/etc/my.cnf", None, "cnf"),
        ("/etc/gunicorn.conf.py", None, "python"),
        ("/etc/x.yml", None, "yaml"),
        ("/etc/x.d/key", None, "plain"),
        ("/etc/x.xml", None, "xml"),
        ("/var/www/index.html", None, "xml"),
        ("/etc/motd.txt", None, "text"),
        ("/etc/x.unknown", None, "plain"),
    ],
)
def test_the_name_of_a_file_tells_its_format_unless_the_catalogue_does(target, said, form):
    assert format_of(target, said) == form


def test_what_a_template_prints_is_escaped_once_and_its_own_text_never(tmp_path):
    (tmp_path / "m.j2").write_text("{% macro line(value) %}$own '{{ value }}' {{ VALUE }}\n{% endmacro %}")
    (tmp_path / "i.j2").write_text("$own {{ VALUE ~ 1 }} {{ [VALUE, '$'] | join(',') }}\n")
    (tmp_path / "x.j2").write_text(
        "{% import 'm.j2' as m with context %}{{ m.line('$') }}{% include 'i.j2' %}"
        "{% set block %}{{ VALUE }}{% endset %}{{ block }}{{ ' no' if not VALUE }}"
    )
    made = Renderer({"VALUE": "$&"}, [str(tmp_path)]).file("x.j2", "ini")
    assert made == "$own '\\$' \\$&\n$own \\$&1 \\$&,\\$\n\\$&"


def test_one_template_serves_files_of_two_formats(tmp_path):
    (tmp_path / "x.j2").write_text("{{ VALUE }} {{ 'it\\'s' }}")
    renderer = Renderer({"VALUE": "$'"}, [str(tmp_path)])
    assert [renderer.file("x.j2", form) for form in ("ini", "sql", "ini")] == [
        "\\$' it's",
        "'$''' 'it''s'",
        "\\$' it's",
    ]


def test_json_may_be_said_in_any_format(tmp_path):
    (tmp_path / "x.j2").write_text("{{ VALUE | tojson }}")
    renderer = Renderer({"VALUE": ["$"]}, [str(tmp_path)])
    assert (renderer.file("x.j2", "json"), renderer.file("x.j2", "ini")) == ('["$"]', '["\\$"]')


def test_who_is_refused_is_told_by_name_and_not_by_value(tmp_path):
    (tmp_path / "x.j2").write_text("a = x:{{ LIST | join('+') }}\n")
    renderer = Renderer({"LIST": ["a", "s3cret one"], "OTHER": "a", "SAME": {"k": "s3cret one"}}, [str(tmp_path)])
    with pytest.raises(UnwritableError) as caught:
        renderer.file("x.j2", "plain")
    assert caught.value.names == ["LIST", "SAME"]
    assert "s3cret" not in str(caught.value)
    assert "template x.j2, line 1" in str(caught.value)


@pytest.mark.parametrize("command", ["validate", "run", "config", "bootstrap"])
def test_a_value_that_a_file_cannot_hold_is_bad_input(image, command):
    image.data["templates"]["/etc/nova/key"] = {"source": "key.j2"}
    image.template("key.j2", "{{ ADMIN_PASSWORD }}\n")
    env = {"KEYSTONE_SERVER": "h", "ADMIN_PASSWORD": "two words"}
    done = image.start(*([command, "--secrets"] if command == "config" else [command]), env=image.env(env))
    assert (done.returncode, done.stdout) == (2, "")
    assert "nova-api cannot start: 1 problem with its environment" in done.stderr
    said = "ADMIN_PASSWORD  has characters in it that the file cannot hold"
    assert said in done.stderr
    assert "it cannot be written to /etc/nova/key (template key.j2, line 1)" in done.stderr
    assert "two words" not in done.stderr
    assert not image.root.exists()


def test_bytes_that_are_no_text_are_refused_by_name(image):
    env = image.env({"KEYSTONE_SERVER": "h", "ADMIN_PASSWORD": "p\udcff"})
    done = image.start("validate", env=env)
    assert done.returncode == 2
    assert "ADMIN_PASSWORD  has bytes in it that are not UTF-8" in done.stderr
