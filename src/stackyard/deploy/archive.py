"""Everything that tells why a site does not work, in one file: logs, states, plan and surroundings, without secrets."""

from __future__ import annotations

import io
import json
import os
import platform
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stackyard.catalogue import Catalogue
from stackyard.deploy.desired import Desired
from stackyard.deploy.observe import containers
from stackyard.deploy.state import SiteState
from stackyard.deploy.status import status
from stackyard.deploy.up import Up
from stackyard.effects.engine import Engine
from stackyard.effects.files import write_atomically
from stackyard.effects.host import Host
from stackyard.errors import InputError, StackyardError
from stackyard.events import Event, Report
from stackyard.model.site import Site
from stackyard.plan.observed import LABEL_CONTAINER, LABEL_NODE, Running
from stackyard.plan.text import as_data
from stackyard.secrets import REDACTED, load

SHORTEST = 4
"""Characters below which nothing is taken for a secret: it would be found in every other word."""
_STATE = ("Name", "Created", "State", "RestartCount", "Image", "HostConfig", "Config", "NetworkSettings", "Mounts")
"""What `docker inspect` says of a container that tells how it is."""
Part = tuple[str, Callable[[], str]]


def archive(host: Host, site: str, file: Path, more: Iterable[Part], report: Report) -> int:
    """Write the archive of a site, mode 0600, complete or not at all; return how many files are in it.

    ``more`` are other files of it, by name, and what makes their texts; one that fails says why in its place.
    Raises InputError when there is nothing of the site here, StackyardError when the file cannot be written.
    """
    there = sorted(containers(host.engine, site).values(), key=lambda each: each.name)
    if not there:
        raise InputError(f"the site {site} has no containers here", "bring it up: stackyard up")
    hide = redactor(load(SiteState.of(host, site).secrets).reveal())
    made = io.BytesIO()
    count = 0
    with tarfile.open(fileobj=made, mode="w:gz", compresslevel=6) as tar:
        for name, text in _parts(host.engine, there, more, report):
            data = hide(text).encode()
            entry = tarfile.TarInfo(f"{site}/{name}")
            entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
            tar.addfile(entry, io.BytesIO(data))
            count += 1
    try:
        write_atomically(file, made.getvalue(), mode=0o600)
    except OSError as error:
        raise StackyardError(f"{file}: {error.strerror}") from error
    return count


def redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """What takes secrets out of a text: as they are, as they stand in a URL or in JSON, and line by line."""
    words: set[str] = set()
    for secret in secrets:
        for line in secret.splitlines():
            words |= {line, quote(line, safe=""), json.dumps(line)[1:-1]}
    ordered = sorted((each for each in words if len(each) >= SHORTEST and "-----" not in each), key=len, reverse=True)

    def hide(text: str) -> str:
        for word in ordered:
            text = text.replace(word, REDACTED)
        return text

    return hide


def _parts(engine: Engine, there: Iterable[Running], more: Iterable[Part], report: Report) -> Iterator[tuple[str, str]]:
    """Files of the archive, by name; the logs, which take longest, last."""
    yield "about.json", _json({"made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    parts: list[Part] = [
        (
            "host.json",
            lambda: _json({"kernel": platform.release(), "machine": platform.machine(), "cores": os.cpu_count()}),
        ),
        ("engine.json", lambda: engine.ask("info", "--format", "{{json .}}")),
        ("disk.txt", lambda: engine.ask("system", "df")),
        ("memory.txt", lambda: engine.ask("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}} {{.CPUPerc}}")),
        ("containers.json", lambda: _states(engine, [each.name for each in there])),
        *more,
    ]
    for name, make in parts:
        report(Event("started", name))
        try:
            yield name, make()
        except StackyardError as error:
            yield name, f"cannot be told: {error.message}\n"
    for each in there:
        where = f"logs/{each.labels.get(LABEL_NODE, 'node')}/{each.labels.get(LABEL_CONTAINER, each.name)}.log"
        report(Event("started", where))
        lines: list[str] = []
        engine.stream("logs", "--timestamps", each.name, on_line=lines.append)
        yield where, "".join(f"{line}\n" for line in lines)


def _states(engine: Engine, names: list[str]) -> str:
    return _json([{key: each.get(key) for key in _STATE} for each in engine.inspect("container", names)])


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, default=str) + "\n"


def told(host: Host, site: Site, catalogue: Catalogue) -> list[Part]:
    """Parts that only a site whose file can be read has: how it is, and what there would be to do."""

    def plan() -> str:
        wanted, _there, plan = Up(host, site, catalogue).plan()
        return _json(as_data(wanted.site, plan, wanted.secrets.made))

    def rows() -> str:
        return _json([asdict(row) for row in status(host, Desired.of(host, site, catalogue).site)])

    return [("status.json", rows), ("plan.json", plan)]
