"""Each check of the proof fails when what it checks is broken, and succeeds again when it is mended."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from demo import COMPUTES, ENCAPSULATION, NAME, Site, checks, engine, failed
from waiting import NotYet, wait_for

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


@contextmanager
def api_hangs(site: Site) -> Iterator[None]:
    """An API accepts connections, and never answers."""
    name = site.container("controller", "glance-api")
    engine("pause", name)
    try:
        yield
    finally:
        engine("unpause", name)


@contextmanager
def cut_off(site: Site) -> Iterator[None]:
    """No compute node is on the public network any more."""
    for node in COMPUTES:
        engine("network", "disconnect", f"{NAME}-public", f"{NAME}-{node}")
    try:
        yield
    finally:
        site.up()


BREAKAGES = {
    cut_off: ("floating",),
    api_hangs: ("sign in",),
    wrong_encapsulation: ("wire",),
    agent_stopped: ("metadata", "agent"),
    controller_stopped: ("ping", "boot", "agent"),
    wrong_zone: ("zone", "boot"),
}
"""What is broken -> words, one of which is in the name of a check that must fail."""

ALONE = (cut_off, wrong_encapsulation)
"""What breaks one check and no other."""

RARE = (agent_stopped, controller_stopped, wrong_zone)
"""What is left to ./test full: these take minutes each, because the proof waits for VMs that do not come."""


@pytest.mark.parametrize(
    "breakage",
    [pytest.param(each, marks=pytest.mark.full) if each in RARE else each for each in BREAKAGES],
    ids=lambda breakage: breakage.__name__,
)
def test_the_proof_fails_when_it_should(site, breakage):
    with breakage(site):
        proof = site.verify(check=False)
    assert proof.code == 1
    names = failed(proof)
    assert any(word in name for name in names for word in BREAKAGES[breakage]), names
    assert breakage not in ALONE or len(names) == 1, f"{names}\n{proof}\n{tunnels(site)}"
    messages = [checks(proof)[name]["message"] for name in names]
    assert all(messages)
    if breakage is api_hangs:
        assert "image API, GET /v2/images" in messages[0]
        assert any("glance-api is not ready" in cause for cause in checks(proof)[names[0]]["causes"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_by_a_signal_it_deletes_what_it_made(site, number):
    def made() -> None:
        if not ours(site):
            raise NotYet("nothing of a proof")

    process = site.stackyard.start("verify")
    wait_for("what the proof makes", made, 120)
    process.send_signal(number)
    assert process.wait(180) == 128 + number
    assert not ours(site)
    assert not engine("ps", "--quiet", "--filter", "name=stackyard-verify-").stdout


def ours(site: Site) -> list[str]:
    """The names of VMs and images that a proof has made."""
    cloud = site.cloud
    names = [each.name for each in (*cloud.compute.servers(), *cloud.image.images())]
    return [name for name in names if name.startswith("stackyard-verify-")]


def test_an_error_in_sql_fails_the_job_that_has_it(site):
    """A user's name that is longer than MariaDB takes; nothing is made of it."""
    accounts = json.dumps([{"name": "nova", "user": "n" * 200, "password": "not shown"}])
    volume = f"{site.container('controller', 'mariadb-socket')}:/run/mysqld"
    image = engine("inspect", "--format", "{{.Config.Image}}", site.container("controller", "mariadb")).stdout.strip()
    told = engine(
        "run", "--rm", "--volume", volume, "--env", "HOST_IP=127.0.0.1", "--env", f"DATABASE_ACCOUNTS={accounts}",
        image, "bootstrap", check=False,
    )  # fmt: skip
    assert told.code == 1, str(told)
    assert "too long for user name" in told.stderr
    assert "not shown" not in told.stderr


def test_mended_it_succeeds_again(site):
    proof = site.verify(check=False)
    assert failed(proof) == [], f"{proof}\n{tunnels(site)}"


def tunnels(site: Site) -> str:
    """What Open vSwitch does with what comes from the other node, and what goes past it to the kernel."""
    control = "ovs-appctl -t /run/openvswitch/ovs-vswitchd.ctl"
    asked = (
        "ovs-vsctl --columns=name,type,ofport,bfd_status list Interface",
        f"{control} tnl/ports/show -v",
        f"{control} ovs/route/show",
        f"{control} dpctl/dump-flows | grep -e udp -e tnl",
        "grep Udp: /proc/net/snmp",
    )
    told = ""
    for node in COMPUTES:
        outcome = site.inside(node, "ovs-vswitchd", "sh", "-c", "; ".join(asked), check=False)
        told += f"{node}:\n{outcome.stdout}{outcome.stderr}"
    return told
