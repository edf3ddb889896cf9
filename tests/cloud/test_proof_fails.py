"""Each check of the proof fails when what it checks is broken, and succeeds again when it is mended."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from demo import COMPUTES, ENCAPSULATION, Site, checks, engine, failed

pytestmark = [pytest.mark.cloud, pytest.mark.long]


def encapsulate(site: Site, encapsulation: str) -> None:
    """Set the encapsulation of every chassis behind the tool's back."""
    setting = f"external-ids:ovn-encap-type={encapsulation}"
    for node in COMPUTES:
        site.inside(node, "ovs-vswitchd", "ovs-vsctl", "set", "open_vswitch", ".", setting)


@contextmanager
def wrong_encapsulation(site: Site) -> Iterator[None]:
    """Geneve on the wire in place of VXLAN: VMs talk as before."""
    encapsulate(site, "geneve")
    try:
        yield
    finally:
        encapsulate(site, ENCAPSULATION)


@contextmanager
def stopped(site: Site, container: str) -> Iterator[None]:
    """A container of the second compute node does not run."""
    name = site.container("compute2", container)
    engine("stop", name)
    try:
        yield
    finally:
        engine("start", name)
        site.up()


@contextmanager
def agent_stopped(site: Site) -> Iterator[None]:
    """Nothing serves metadata on one node."""
    with stopped(site, "neutron-ovn-agent"):
        yield


@contextmanager
def controller_stopped(site: Site) -> Iterator[None]:
    """Nothing programs flows on one node."""
    with stopped(site, "ovn-controller"):
        yield


@contextmanager
def wrong_zone(site: Site) -> Iterator[None]:
    """Both hosts in the first zone, none in the second."""
    compute = site.cloud.compute
    first, second = sorted(
        (aggregate for aggregate in compute.aggregates() if aggregate.availability_zone),
        key=lambda aggregate: aggregate.availability_zone,
    )
    (host,) = second.hosts
    compute.remove_host_from_aggregate(second.id, host)
    try:
        compute.set_aggregate_metadata(second.id, {"availability_zone": f"not-{second.availability_zone}"})
        compute.add_host_to_aggregate(first.id, host)
        yield
    finally:
        compute.remove_host_from_aggregate(first.id, host)
        compute.set_aggregate_metadata(second.id, {"availability_zone": second.availability_zone})
        compute.add_host_to_aggregate(second.id, host)


BREAKAGES = {
    wrong_encapsulation: ("encapsulation", "vxlan", "wire"),
    agent_stopped: ("metadata", "agent"),
    controller_stopped: ("ping", "boot", "agent"),
    wrong_zone: ("zone", "boot"),
}
"""What is broken -> words, one of which is in the name of a check that must fail."""


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_the_proof_fails_when_it_should(site, breakage):
    with breakage(site):
        proof = site.verify(check=False)
    assert proof.code == 1
    names = failed(proof)
    assert any(word in name for name in names for word in BREAKAGES[breakage]), names
    messages = [checks(proof)[name]["message"] for name in names]
    assert all(messages)


def test_mended_it_succeeds_again(site):
    assert failed(site.verify()) == []
