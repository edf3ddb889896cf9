"""The bake file, and BuildKit's progress turned into events and into one message when it fails."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackyard.events import Event
from stackyard.images.bake import Progress, bake_file
from stackyard.images.failure import Failed
from stackyard.images.identity import decide
from stackyard.images.outside import Outside
from stackyard.images.parts import Recipe

Make = Callable[..., Recipe]


def test_the_bake_file_names_stages_and_hides_the_host(make: Make, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("certificate")
    env = {"SSL_CERT_FILE": str(bundle), "https_proxy": "http://proxy:1", "PIP_INDEX_URL": "https://user:word@index"}
    made = make()
    text = json.dumps(bake_file(made, [decide(made, "app", "x/app:1", None)], Outside.of(env)))
    target = json.loads(text)["target"]["app"]
    assert target["target"] == "app"
    assert target["tags"] == ["x/app:1"]
    assert target["args"] == {"https_proxy": "http://proxy:1"}
    assert target["secret"] == ["id=ca,src=ca", "id=index,src=index"]
    assert set(target["labels"]) == {"stackyard.identity", "stackyard.inputs"}
    assert "word" not in text


def lines(*documents: dict[str, Any], indent: int | None) -> list[str]:
    """What buildx prints: indented by old versions, a line a document by new ones."""
    return [line for document in documents for line in json.dumps(document, indent=indent).splitlines()]


def vertex(name: str, *, done: bool = True, digest: str = "", **more: Any) -> dict[str, Any]:
    times = {"started": "2026-01-01T00:00:00.123456789Z"}
    times |= {"completed": "2026-01-01T00:00:02.123456789Z"} if done else {}
    return {"vertexes": [{"digest": digest or name, "name": name, **times, **more}]}


@pytest.mark.parametrize("indent", [None, 2])
def test_a_step_told_for_two_images_is_one(make: Make, indent: int | None) -> None:
    told: list[Event] = []
    progress = Progress(make(), ["app", "app-api"], told.append)
    name = "shared.lib 2/2] RUN x"
    begun = [vertex(f"[{image} {name}", done=False) for image in ("app", "app-api")]
    ended = [vertex(f"[{image} {name}") for image in ("app", "app-api")]
    for line in [*lines(*begun, *ended, indent=indent), "ERROR: words"]:
        progress.feed(line)
    assert [(each.kind, each.subject, each.seconds) for each in told] == [
        ("progress", "shared.lib", None),
        ("done", "shared.lib", 2.0),
    ]


def test_what_is_cached_is_said_to_be(make: Make) -> None:
    told: list[Event] = []
    progress = Progress(make(), ["bare"], told.append)
    for line in lines(vertex("[bare shared.lib 2/2] RUN x", cached=True), indent=None):
        progress.feed(line)
    assert [(each.kind, each.subject, each.message) for each in told] == [("unchanged", "shared.lib", "cached")]


def test_a_base_that_only_its_subs_need_is_over_with_its_body(make: Make) -> None:
    told: list[Event] = []
    progress = Progress(make(), ["app-api"], told.append)
    for number, step in enumerate(("RUN x", "COPY y", "RUN z"), 1):
        for line in lines(vertex(f"[app-api app.body {number}/3] {step}"), indent=None):
            progress.feed(line)
    assert [(each.kind, each.subject) for each in told] == [("done", "app")]


def test_a_failure_says_what_where_and_what_it_blocks(make: Make) -> None:
    recipe = make()
    progress = Progress(recipe, ["app", "app-api", "bare"], lambda _: None)
    pieces = [b"reading\nE: Unab", b"le to locate package netbase\n", b"last"]
    broken = vertex("[app-api app.body 1/3] RUN x", error="exit code: 100")
    words = [base64.b64encode(piece).decode() for piece in pieces]
    log = {"logs": [{"vertex": "[app-api app.body 1/3] RUN x", "data": piece} for piece in words]}
    canceled = vertex("[bare bare.body 1/1] RUN y", error="context canceled")
    start = vertex("[app-api app.body 1/3] RUN x", done=False)
    for line in lines(canceled, start, log, broken, indent=2):
        progress.feed(line)
    failed = progress.failure()
    assert failed.subject == "app"
    assert failed.blocked == ("app-api",)
    assert failed.message.splitlines()[0] == "app could not be built: Debian packages: netbase"
    assert "/mnt/debian-packages netbase" in failed.message
    assert "mount=" not in failed.message
    assert "  | E: Unable to locate package netbase\n  | last\n" in failed.message
    number = int(failed.step.split(":")[1])
    assert recipe.dockerfile.splitlines()[number - 1].endswith("/mnt/debian-packages netbase")
    assert failed.hint == "the suite has no such package: correct `packages`"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("E: Failed to fetch http://x/a.deb 404  Not Found", "the mirror no longer has"),
        ("dpkg: error: No space left on device", "the disk is full"),
        ("error: Hash mismatch for `jinja2==3`", "what was downloaded is not what the lock says"),
        ("invalid peer certificate: UnknownIssuer", "TLS is not trusted"),
        ("Temporary failure resolving 'x'", "the network"),
        ("something else", ""),
    ],
)
def test_hints(words: str, hint: str) -> None:
    assert Failed("x", "", "", (words,), ()).hint.startswith(hint)
