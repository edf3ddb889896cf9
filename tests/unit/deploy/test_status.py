"""What does not work of a site, in the words of its own probes."""

import json
from dataclasses import replace
from ipaddress import ip_address

import pytest

from fakes import FakeEngine, FakeHost, inspected, showing
from resolved_sites import TOY, resolved
from stackyard.deploy import probes
from stackyard.deploy.status import status, troubles
from stackyard.effects.links import Link
from stackyard.model.site import PublicNetwork
from stackyard.plan.resolved import PlacedNode

SITE = resolved("toy", TOY)
BRIDGE = f"br-{'7' * 12}"


def test_each_container_that_is_not_ready_with_what_its_probe_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "ask", lambda _probe: "no room on its disk")
    there = [inspected("toytest", "one", "node"), inspected("toytest", "one", "echo")]
    told = troubles(FakeHost(FakeEngine(showing(*there))), SITE)
    assert "one/echo is not ready: no room on its disk" in told
    assert {"two/(node) is not ready: not there", "two/late is not ready: not there"} <= set(told)
    assert not any(line.startswith("one/(node)") for line in told)


@pytest.mark.parametrize(
    ("link", "said"),
    [
        (None, "this host has no interface eth1"),
        (Link("eth1", 1500), "eth1 is not a part of it; `stackyard up` connects it"),
        (Link("eth1", 1500, BRIDGE, carrier=False), "nothing is at the other end of eth1, or it is switched off"),
        (Link("eth1", 1500, BRIDGE), ""),
    ],
    ids=["gone", "not connected", "no cable", "as it should be"],
)
def test_nodes_whose_public_network_is_cut_off(link: Link | None, said: str) -> None:
    node = PlacedNode("one", (), frozenset(), frozenset(), *map(ip_address, ("192.0.2.1", "192.0.2.2")))
    public = PublicNetwork(range="203.0.113.0/24", interface="eth1")
    networks = SITE.site.networks.model_copy(update={"public": public})
    site = replace(
        SITE,
        site=SITE.site.model_copy(update={"networks": networks}),
        nodes=(replace(node, public=ip_address("169.254.1.2")), replace(node, name="two")),
    )
    there = {"Name": "toytest-public", "Id": "7" * 64, "Options": None, "Labels": None, "IPAM": {"Config": []}}
    answers = {"network ls": "7", "network inspect": json.dumps([there])}
    running = showing(inspected("toytest", "one", "node"), inspected("toytest", "two", "node"))
    host = FakeHost(FakeEngine({**running, **answers}), lacks={"links": (link,) if link else ()})
    rows = {row.node: row for row in status(host, site) if row.container == "(node)"}
    assert rows["one"].lacks == (f"the public network is cut off: {said}" if said else "")
    assert (rows["one"].ready, rows["two"].ready) == ("no" if said else "yes", "yes")
