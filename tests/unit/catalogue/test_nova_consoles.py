"""What consoles.py adds to Nova's proxy, as far as it can be decided without Nova."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

FILE = Path(__file__).parents[3] / "catalogue" / "openstack" / "nova" / "consoles.py"


@pytest.fixture(scope="module")
def consoles() -> Any:
    spec = importlib.util.spec_from_file_location("nova_consoles", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("kind", "shaken"), [("novnc", True), ("serial", False)])
def test_a_serial_line_has_no_handshake(consoles: Any, kind: str, shaken: bool) -> None:
    request = SimpleNamespace()
    check = consoles.remembering(lambda _request, _context, asked: SimpleNamespace(console_type=kind, host=asked))
    assert check(request, None, "1").host == "1"
    vnc = SimpleNamespace(connect=lambda _client, vm: ("shaken", vm))
    told = consoles.Handshake(vnc).connect(SimpleNamespace(reqhandler=request), "vm")
    assert told == (("shaken", "vm") if shaken else "vm")


@pytest.mark.parametrize(
    ("text", "values", "logged"),
    [
        ('"%s" %s', ("GET /?token=1-2 HTTP/1.1", "200"), '"GET /?token=*** HTTP/1.1" 200'),
        ("Path: '%s'", ("/console/?token=1-2&a=b",), "Path: '/console/?token=***&a=b'"),
        (
            "%s",
            ("/vnc_lite.html?path=console/%3Ftoken%3D1-2&title=a",),
            "/vnc_lite.html?path=console/%3Ftoken%3D***&title=a",
        ),
        ("100% of %s", (), "100% of %s"),
    ],
)
def test_no_token_is_logged(consoles: Any, text: str, values: tuple[str, ...], logged: str) -> None:
    lines = []
    log = consoles.discreet(lambda _request, form, *words: lines.append(form % words))
    log(None, text, *values)
    assert lines == [logged]
