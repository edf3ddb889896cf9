"""The proof against a cloud in memory: no engine, no waiting."""

import pytest
from fake_cloud import HOSTS, FakeApi, FakeCapture, target

from fakes import FakeEngine
from stackyard.verify import cloud, run, wait
from stackyard.verify.checks import outside


@pytest.fixture
def api() -> FakeApi:
    """A cloud in which all is well."""
    return FakeApi()


@pytest.fixture
def prove(api, tmp_path, monkeypatch):
    """Walk the proof on that cloud: `prove(keep=True)`; deadlines pass in no time."""
    monkeypatch.setattr(wait, "time", _Time(api.clock, 1))
    monkeypatch.setattr(cloud, "time", _Time(api.clock, 0))
    monkeypatch.setattr(run, "Capture", FakeCapture)

    monkeypatch.setattr(outside, "ask", api.ask)

    def prove(*, report=lambda _event: None, hosts=HOSTS, urls=(), volumes=False, public=None, **options):
        site = target(tmp_path, hosts, urls, volumes=volumes, public=public)
        return run.verify(FakeEngine(), site, api, report, **options)

    return prove


class _Time:
    """A clock on which so many seconds pass each time that somebody looks."""

    def __init__(self, clock, tick):
        self._clock = clock
        self._tick = tick

    def monotonic(self):
        self._clock.now += self._tick
        return self._clock.now

    def sleep(self, _seconds):
        self._clock.now += self._tick
