"""What does not work of a site, in the words of its own probes."""

import pytest

from fakes import FakeEngine, inspected, showing
from resolved_sites import TOY, resolved
from stackyard.deploy import probes
from stackyard.deploy.status import troubles

SITE = resolved("toy", TOY)


def test_each_container_that_is_not_ready_with_what_its_probe_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "ask", lambda _probe: "no room on its disk")
    there = [inspected("toytest", "one", "node"), inspected("toytest", "one", "echo")]
    told = troubles(FakeEngine(showing(*there)), SITE)
    assert "one/echo is not ready: no room on its disk" in told
    assert {"two/(node) is not ready: not there", "two/late is not ready: not there"} <= set(told)
    assert not any(line.startswith("one/(node)") for line in told)
