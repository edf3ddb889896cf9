"""What the engine lacks comes from the site's registry when that has what the catalogue makes; else it is told why."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeEngine, FakeHost
from resolved_sites import TOY
from stackyard.catalogue import open_site
from stackyard.deploy import pull as module
from stackyard.deploy.pull import pull
from stackyard.deploy.up import Up
from stackyard.effects.process import Result
from stackyard.errors import InputError
from stackyard.events import Event
from stackyard.images import digests
from stackyard.images.base import BaseImage
from stackyard.images.identity import LABEL_IDENTITY, LABEL_INPUTS
from stackyard.images.order import order, recorded
from stackyard.images.versions import Record
from stackyard.plan.text import as_text

REFUSED = 'Get "http://toy.test/v2/": dial tcp 192.0.2.9:80: connect: connection refused'
NO_LOGIN = 'Head "http://toy.test/v2/echo/manifests/1": no basic auth credentials'
IMAGES = ("toy.test/echo:1", "toy.test/late:1", "toy.test/node:1")
ECHO = IMAGES[0]
OLD, NEW, OTHER = ("sha256:" + letter * 64 for letter in "abc")


class Yard(FakeEngine):
    """An engine with images, and a registry: name or digest -> labels and digest, or what the engine says of it."""

    def __init__(self) -> None:
        super().__init__()
        self.images: dict[str, tuple[Mapping[str, str], str]] = {}
        self.registry: dict[str, tuple[Mapping[str, str], str] | str | BaseException] = {}

    @property
    def pulled(self) -> list[str]:
        return [call[-1] for call in self.calls if call[:2] == ["image", "pull"]]

    def attempt(self, *arguments: str, **options: Any) -> Result:
        answer = super().attempt(*arguments, **options)
        if arguments[0] != "image":
            return answer
        verb, names = arguments[1], arguments[2:]
        code, out, said = 0, "", ""
        if verb == "pull":
            there = self.registry.get(names[-1], f"manifest for {names[-1]} not found: manifest unknown")
            if isinstance(there, BaseException):
                raise there
            if isinstance(there, str):
                code, said = 1, f"Error response from daemon: {there}\n"
            else:
                self.images[names[-1]] = there
        elif verb == "rm":
            del self.images[names[-1]]
        elif verb == "tag":
            self.images[names[1]] = self.images[names[0]]
        elif verb == "inspect":
            out = json.dumps([self._inspected(name) for name in names if name in self.images])
            said = "" if set(names) <= self.images.keys() else "Error: No such image"
        elif verb == "ls":
            out = "\n".join(f"{name} sha256:1 {each[1]}" for name, each in self.images.items())
        return Result(arguments, code, out, said)

    def _inspected(self, name: str) -> dict[str, Any]:
        labels, digest = self.images[name]
        repository = name.partition("@")[0] if "@" in name else name.rpartition(":")[0]
        found = {"RepoTags": [name], "RepoDigests": [f"{repository}@{digest}"], "Config": {"Labels": labels}}
        return {"Id": "sha256:1", "Created": "2026-01-01T00:00:00Z", "Size": 1, **found}


@pytest.fixture
def yard() -> Yard:
    return Yard()


@pytest.fixture
def host(yard: Yard, tmp_path: Path) -> FakeHost:
    """A host whose engine has nothing, and whose registry has all images of the toy site."""
    host = FakeHost(yard, tmp_path)
    site, catalogue = open_site("toy", TOY)
    made = order(yard, catalogue, list(catalogue.images), registry=site.registry, versions=recorded(host, catalogue))
    yard.registry = {each.reference: (each.identity.labels, NEW) for each in made.decisions}
    yard.calls.clear()
    return host


def other(labels: Mapping[str, str], *names: str) -> dict[str, str]:
    """Labels of an image some of whose inputs are others."""
    inputs = {**json.loads(labels[LABEL_INPUTS]), **dict.fromkeys(names, "another")}
    return {LABEL_IDENTITY: "another", LABEL_INPUTS: json.dumps(inputs)}


def ask(host: FakeHost, *references: str) -> list[Event]:
    events: list[Event] = []
    pull(host, *open_site("toy", TOY), references or IMAGES, events.append)
    return events


def failure(host: FakeHost, *references: str) -> InputError:
    with pytest.raises(InputError) as caught:
        ask(host, *references)
    return caught.value


def test_what_the_registry_has_is_pulled_and_its_digest_is_recorded(host: FakeHost, yard: Yard) -> None:
    events = ask(host)
    assert sorted(yard.pulled) == sorted(yard.images) == list(IMAGES)
    assert digests.read(host) == dict.fromkeys(IMAGES, NEW)
    assert [(each.kind, each.message) for each in events if each.kind != "progress"] == [
        ("started", "pulling 3 from toy.test"),
        ("done", "3 pulled"),
    ]
    assert sum(each.kind == "progress" for each in events) == 3


def test_the_recorded_digest_is_pulled_whatever_the_name_means_now(host: FakeHost, yard: Yard) -> None:
    digests.update(host, {ECHO: OLD})
    labels = yard.registry[ECHO][0]  # type: ignore[index]
    yard.registry[f"toy.test/echo@{OLD}"] = (labels, OLD)
    ask(host, ECHO)
    assert yard.pulled == [f"toy.test/echo@{OLD}"]
    assert yard.images[ECHO] == (labels, OLD)
    assert digests.read(host) == {ECHO: OLD}


@pytest.mark.parametrize("lost", [True, False], ids=["gone from the registry", "of another catalogue"])
def test_a_recorded_digest_that_is_of_no_use_gives_way_to_the_name(host: FakeHost, yard: Yard, lost: bool) -> None:
    digests.update(host, {ECHO: OLD})
    if not lost:
        yard.registry[f"toy.test/echo@{OLD}"] = ({}, OLD)
    ask(host, ECHO)
    assert yard.pulled == [f"toy.test/echo@{OLD}", ECHO]
    assert list(yard.images) == [ECHO]
    assert digests.read(host) == {ECHO: NEW}


def test_an_image_of_another_catalogue_is_not_kept(host: FakeHost, yard: Yard) -> None:
    labels, _ = yard.registry[ECHO]  # type: ignore[misc]
    yard.registry[ECHO] = (other(labels, "toy/echo/server.py"), OTHER)  # type: ignore[arg-type]
    error = failure(host)
    assert error.message == (
        "1 of the site's images is not there, and toy.test has others of these names than this catalogue makes: "
        "toy.test/echo:1 (toy/echo/server.py changed)"
    )
    assert "make them: stackyard build" in error.hint
    assert sorted(yard.images) == [*IMAGES[1:]]
    assert digests.read(host) == dict.fromkeys(IMAGES[1:], NEW)


def test_versions_of_packages_that_are_recorded_nowhere_here_are_those_of_the_image(host: FakeHost, yard: Yard) -> None:
    labels, _ = yard.registry[ECHO]  # type: ignore[misc]
    yard.registry[ECHO] = (other(labels, "Debian versions of the base", "published x"), NEW)  # type: ignore[arg-type]
    ask(host, ECHO)
    assert list(yard.images) == [ECHO]


def test_versions_of_packages_that_are_recorded_here_are_part_of_the_identity(host: FakeHost, yard: Yard) -> None:
    site, catalogue = open_site("toy", TOY)
    record = host.state / "build" / f"packages-none-{BaseImage(catalogue.bases['none']).making}.json"
    record.parent.mkdir()
    record.write_text(Record({"libc6": "1"}).text)
    error = failure(host, ECHO)
    assert "Debian versions of the base changed" in error.message
    made = order(yard, catalogue, ["echo"], registry=site.registry, versions=recorded(host, catalogue)).decisions[0]
    yard.registry[ECHO] = (made.identity.labels, NEW)
    ask(host, ECHO)
    assert list(yard.images) == [ECHO]


def test_an_image_that_stackyard_did_not_build(host: FakeHost, yard: Yard) -> None:
    yard.registry[ECHO] = ({}, OTHER)
    assert "(it was not built by stackyard)" in failure(host, ECHO).message
    assert not yard.images


@pytest.mark.parametrize(
    ("said", "says", "remedy"),
    [
        (
            "manifest for toy.test/echo:1 not found: manifest unknown",
            "toy.test has none of these names: ",
            "stackyard build",
        ),
        (
            'failed to resolve reference "toy.test/echo:1": toy.test/echo:1: not found',
            "toy.test has none of these names: ",
            "--push",
        ),
        (REFUSED, "does not answer (dial tcp 192.0.2.9:80: connect: connection refused): ", "start the registry"),
        (
            'Get "https://toy.test/v2/": dial tcp: lookup toy.test on 192.0.2.53:53: no such host',
            "toy.test does not answer (dial tcp: lookup toy.test on 192.0.2.53:53: no such host): ",
            "stackyard build",
        ),
        (
            'Get "https://toy.test/v2/": net/http: request canceled (Client.Timeout exceeded while awaiting headers)',
            "toy.test does not answer (net/http: request canceled",
            "correct `registry`",
        ),
        (NO_LOGIN, "toy.test refuses the pull (no basic auth credentials): ", "docker login toy.test"),
        ("unauthorized: authentication required", "toy.test refuses the pull (unauthorized: ", "docker login toy.test"),
        (
            "pull access denied for toy.test/echo, repository does not exist or may require 'docker login'",
            "toy.test refuses the pull (pull access denied",
            "docker login toy.test",
        ),
        (
            'Get "https://toy.test/v2/": http: server gave HTTP response to HTTPS client',
            "toy.test speaks HTTP",
            "insecure-registries",
        ),
        (
            'Get "https://toy.test/v2/": x509: certificate signed by unknown authority',
            "the engine does not trust toy.test (x509: certificate signed by unknown authority): ",
            "/etc/docker/certs.d/toy.test/ca.crt",
        ),
        ("write /var/lib/docker/x: no space left on device", "there is no room for them", "docker system df"),
        ("something new", "toy.test does not give them (something new): ", "stackyard build"),
        ("", "toy.test does not give them (", "stackyard build"),
    ],
)
def test_why_an_image_cannot_be_had(host: FakeHost, yard: Yard, said: str, says: str, remedy: str) -> None:
    yard.registry[ECHO] = said
    error = failure(host, ECHO)
    assert says in error.message
    assert error.message.endswith(": toy.test/echo:1")
    assert remedy in error.hint
    assert error.exit_code == 2
    assert digests.read(host) == {}


def test_different_reasons_are_told_at_once(host: FakeHost, yard: Yard) -> None:
    yard.registry |= {ECHO: NO_LOGIN, IMAGES[1]: "manifest unknown"}
    message = failure(host).message
    assert message.startswith("2 problems")
    assert "refuses the pull (no basic auth credentials): toy.test/echo:1 (sign in" in message
    assert "has none of these names: toy.test/late:1 (make them" in message
    assert list(yard.images) == [IMAGES[2]]


def test_a_registry_that_does_not_answer_is_not_asked_again(
    host: FakeHost, yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PARALLEL", 1)
    digests.update(host, {ECHO: OLD})
    yard.registry = {f"toy.test/echo@{OLD}": REFUSED}
    assert failure(host).message.startswith("3 of the site's images are not there, and toy.test does not answer")
    assert len(yard.pulled) == 1
    assert digests.read(host) == {ECHO: OLD}


def test_a_registry_that_does_not_answer_is_told_once_however_it_fails(host: FakeHost, yard: Yard) -> None:
    yard.registry = dict(zip(IMAGES, (REFUSED, "dial tcp: i/o timeout", "read: connection reset by peer"), strict=True))
    assert failure(host).message.startswith("3 of the site's images are not there, and toy.test does not answer")


@pytest.mark.parametrize("fits", [True, False])
def test_an_interrupted_pull_is_repaired_by_the_next(host: FakeHost, yard: Yard, fits: bool) -> None:
    whole = dict(yard.registry)
    yard.registry[IMAGES[1]] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        ask(host)
    yard.registry = whole
    labels, digest = whole[ECHO]  # type: ignore[misc]
    yard.images = {ECHO: (labels, digest) if fits else ({}, OTHER)}  # type: ignore[dict-item]
    plan = Up(host, *open_site("toy", TOY)).plan()[2]
    assert plan.missing_images == IMAGES
    yard.calls.clear()
    ask(host, *plan.missing_images)
    assert (ECHO in yard.pulled) is not fits
    assert yard.images == whole
    assert digests.read(host) == dict.fromkeys(IMAGES, NEW)


def test_a_plan_tells_what_would_be_pulled_and_asks_no_registry(host: FakeHost, yard: Yard) -> None:
    wanted, _there, plan = Up(host, *open_site("toy", TOY)).plan()
    text = as_text(wanted.site, plan)
    assert [line for line in text.splitlines() if " image " in line] == [
        f"  + image {each}: pull, not there" for each in IMAGES
    ]
    assert text.splitlines()[-1].startswith("pull 3, create ")
    assert not yard.pulled
