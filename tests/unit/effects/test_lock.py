"""One command at a time, and who it waits for is told."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stackyard.deploy import state
from stackyard.deploy.state import SiteState
from stackyard.effects.lock import Holder, locked, patient
from stackyard.errors import StackyardError
from stackyard.events import Event

DEAD = 2**22 + 1
"""A process id that the kernel gives to nobody."""


@contextmanager
def held(file: Path, pid: int) -> Iterator[None]:
    """The lock is somebody else's: locks are of open files, so one of this process will do."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(f"stackyard build, process {pid}\n")
        stream.flush()
        yield


def test_who_is_waited_for_is_told_once(tmp_path: Path) -> None:
    told: list[Event] = []
    go_on = threading.Event()

    def busy(holder: Holder) -> None:
        patient(told.append, "build")(holder)
        if holder.waited:
            go_on.set()

    def wait() -> None:
        with locked(tmp_path / "lock", "build", busy):
            pass

    thread = threading.Thread(target=wait)
    with held(tmp_path / "lock", 17):
        thread.start()
        assert go_on.wait(10)
    thread.join(10)
    assert not thread.is_alive()
    assert [(event.subject, event.message) for event in told] == [
        ("build", "waits for stackyard build, process 17 to end")
    ]


def test_the_holder_is_named_in_the_file(tmp_path: Path) -> None:
    with locked(tmp_path / "new" / "lock", "build", pytest.fail):
        assert (tmp_path / "new" / "lock").read_text() == f"stackyard build, process {os.getpid()}\n"


def test_a_site_that_another_command_changes_is_refused(tmp_path: Path) -> None:
    site = SiteState(tmp_path / "demo")
    with held(site.lock, os.getpid()), pytest.raises(StackyardError) as caught, state.locked(site, "up"):
        pass
    assert caught.value.message == (
        f"another command is changing the site demo: stackyard build, process {os.getpid()}"
    )


def test_what_a_killed_command_left_is_waited_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "ORPHAN_PATIENCE", 0.1)
    site = SiteState(tmp_path / "demo")
    with held(site.lock, DEAD), pytest.raises(StackyardError, match="another command"), state.locked(site, "up"):
        pass
    with state.locked(site, "up") as handle:
        assert os.fstat(handle)
