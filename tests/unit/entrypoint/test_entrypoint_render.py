"""Templates, expressions and the files that they become."""

from __future__ import annotations

import stat
import threading
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard.entrypoint.expressions import ExpressionError, NotGivenError, arguments, evaluate, hostport, truth
from stackyard.entrypoint.failure import Failure
from stackyard.entrypoint.files import write, write_all
from stackyard.entrypoint.render import Renderer, urlquote

VALUES = {"HOST": "::1", "PORT": 80, "DEBUG": True, "NONE": None, "LIST": ["a", "b"]}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("literal", "literal"),
        ("{{ HOST }}:{{PORT}}", "::1:80"),
        ("{{ HOST | hostport(PORT) }}", "[::1]:80"),
        ("{{ HOST | hostport }}", "[::1]"),
        ("{{ 'a/b c' | urlquote }}", "a%2Fb%20c"),
        ("{{ LIST | tojson }}", '["a", "b"]'),
        ("{{ NONE | tojson }}", "null"),
        ("{{ NONE | default('x') }}{{ NONE or 'y' }}", "xy"),
        ("{{ NONE is none }} {{ NONE is defined }} {{ NONE == none }} {{ HOST is none }}", "True False True False"),
        ("{% if NONE %}a{% endif %}b", "b"),
        ("{{ DEBUG }} {{ true }}", "True True"),
        ("{% for item in LIST %}{{ item }};{% endfor %}", "a;b;"),
    ],
)
def test_expressions(text, result):
    assert evaluate(text, VALUES) == result


@pytest.mark.parametrize("text", ["{{ NONE }}", "a{{ NONE }}", "{{ NONE | upper }}", "{{ NONE | hostport(1) }}"])
def test_what_is_not_given_cannot_be_printed(text):
    with pytest.raises(NotGivenError, match="NONE is not given"):
        evaluate(text, VALUES)


@pytest.mark.parametrize("text", ["{{ TYPO }}", "{{ TYPO | upper }}", "{% if TYPO %}{% endif %}", "{{ HOST"])
def test_a_mistake_in_an_expression_is_said_with_it(text):
    with pytest.raises(ExpressionError, match=r"HOST|TYPO"):
        evaluate(text, VALUES)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        (None, True),
        ("DEBUG", True),
        ("NONE", False),
        ("{{ NONE }}", False),
        ("{{ DEBUG }}", True),
        ("{{ not DEBUG }}", False),
        ("not DEBUG or PORT == 80", True),
        ("{{ '' }}", False),
    ],
)
def test_when(when, holds):
    assert truth(when, VALUES) is holds


def test_an_argument_that_comes_out_empty_is_left_out():
    assert arguments(["a", "", "{{ '--debug' if DEBUG }}", "{{ '--no' if not DEBUG }}"], VALUES) == ["a", "", "--debug"]


def test_templates_import_and_include_each_other_with_the_variables(tmp_path):
    (tmp_path / "macros.j2").write_text("{% macro url() %}http://{{ HOST | hostport(PORT) }}{% endmacro %}")
    (tmp_path / "part.j2").write_text("port = {{ PORT }}\n")
    (tmp_path / "x.j2").write_text("{% import 'macros.j2' as m %}\nurl = {{ m.url() }}\n{% include 'part.j2' %}\n")
    assert Renderer(VALUES, [str(tmp_path)]).file("x.j2", "ini") == "url = http://[::1]:80\nport = 80\n"
    other = Renderer({**VALUES, "HOST": "h"}, [str(tmp_path)])
    assert other.file("x.j2", "ini") == "url = http://h:80\nport = 80\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n{{ TYPO }}\n", "template x.j2, line 2: 'TYPO' is undefined"),
        ("a\nb\n{{ NONE }}\n", "template x.j2, line 3: NONE is not given"),
        ("{% if %}", "template x.j2, line 1: "),
        ("{% include 'gone.j2' %}", "gone.j2"),
    ],
)
def test_a_mistake_in_a_template_names_its_line(tmp_path, text, said):
    (tmp_path / "x.j2").write_text(text)
    with pytest.raises(ExpressionError) as caught:
        Renderer(VALUES, [str(tmp_path)]).file("x.j2", "ini")
    assert said in str(caught.value)


@given(st.text())
def test_law_quoting_can_be_undone(text):
    assert unquote(urlquote(text)) == text


@given(st.sampled_from(["h", "192.0.2.1", "::1"]), st.integers(1, 65535))
def test_law_hostport_has_one_port(host, port):
    assert hostport(host, port).rpartition(":")[2] == str(port)


PIECES = st.sampled_from(
    [
        "{{ HOST }}",
        "{{ HOST|hostport(PORT) }}",
        "{{ HOST | hostport( 80 )}}",
        "{{ HOST | hostport(NONE) }}",
        "{{PORT}}",
        "{{ DEBUG }}",
        "a",
        "}}",
        "\n",
        " ",
        ":",
        "%",
        "é",
        "{",
        "}",
    ]
)


@given(st.lists(PIECES).map("".join))
def test_law_the_short_cut_gives_what_jinja_gives(text):
    def outcome(function):
        try:
            return function()
        except ExpressionError as error:
            return type(error)

    assert outcome(lambda: evaluate(text, VALUES)) == outcome(lambda: Renderer(VALUES).text(text))


@settings(max_examples=30)
@given(st.text(), st.booleans())
def test_law_rendering_twice_gives_the_same_bytes(tmp_path_factory, text, flag):
    folder = tmp_path_factory.mktemp("templates")
    (folder / "x.j2").write_text("{% if FLAG %}\n[a]\n{% endif %}\nb = {{ TEXT }}\n")
    values = {"TEXT": text, "FLAG": flag}
    assert Renderer(values, [str(folder)]).file("x.j2", "cnf") == Renderer(values, [str(folder)]).file("x.j2", "cnf")


def test_files_have_their_mode_and_a_restart_changes_nothing(image, begin):
    write_all(begin())
    first = image.rendered()
    before = first.stat()
    assert stat.S_IMODE(before.st_mode) == 0o400
    write_all(begin())
    after = first.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert list(first.parent.iterdir()) == [first]


def test_a_file_that_is_not_wanted_any_more_goes(image, begin):
    image.data["templates"]["/etc/nova/nova.conf"]["when"] = "GLANCE_SERVER"
    env = {"KEYSTONE_SERVER": "h", "ADMIN_PASSWORD": "x"}
    write_all(begin({**env, "GLANCE_SERVER": "g"}))
    assert "glance = g:9292" in image.rendered().read_text()
    write_all(begin(env))
    assert not image.rendered().exists()


def test_nothing_is_written_when_one_template_is_at_fault(image, begin):
    image.template("bad.j2", "{{ TYPO }}")
    image.data["templates"]["/etc/nova/policy"] = {"source": "bad.j2", "mode": "0444"}
    with pytest.raises(Failure, match=r"cannot render /etc/nova/policy: template bad\.j2, line 1"):
        write_all(begin())
    assert not image.root.exists()


def test_a_root_that_cannot_be_written_is_said_with_the_remedy(image, begin):
    image.root.write_text("a file in the way")
    with pytest.raises(Failure, match="tmpfs at /run/stackyard"):
        write_all(begin())


def test_a_reader_never_sees_half_a_file(tmp_path):
    path = tmp_path / "x.conf"
    contents = [b"a" * 200_000, b"b" * 100_000]
    write(str(path), contents[0], 0o400)
    seen: set[bytes] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(Path(path).read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(200):
        write(str(path), contents[turn % 2], 0o400)
    stop.set()
    reader.join()
    assert seen <= set(contents)
