"""The proof against a cloud in memory: no engine, no waiting."""

import pytest
from fake_cloud import FakeApi, FakeCapture, target

from fakes import FakeEngine
from stackyard.verify import run, wait


@pytest.fixture
def api() -> FakeApi:
    """A cloud in which all is well."""
    return FakeApi()


@pytest.fixture
def prove(api, tmp_path, monkeypatch):
    """Walk the proof on that cloud: `prove(keep=True)`; deadlines pass in no time."""
    clock = iter(range(10**9))
    monkeypatch.setattr(wait, "time", _Time(clock))
    monkeypatch.setattr(run, "Capture", FakeCapture)

    def prove(*, report=lambda _event: None, **options):
        return run.verify(FakeEngine(), target(tmp_path), api, report, **options)

    return prove


class _Time:
    """A clock on which a second passes each time that somebody looks."""

    def __init__(self, clock):
        self._clock = clock

    def monotonic(self):
        return next(self._clock)

    def sleep(self, _seconds):
        next(self._clock)
