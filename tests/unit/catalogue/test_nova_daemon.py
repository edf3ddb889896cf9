"""What daemon.py adds to Nova, as far as it can be decided without Nova."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

FILE = Path(__file__).parents[3] / "catalogue" / "openstack" / "nova" / "daemon.py"


@pytest.fixture(scope="module")
def daemon() -> Any:
    spec = importlib.util.spec_from_file_location("nova_daemon", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("192.0.2.11:/var/lib/nova/instances/1/disk", "rsync://192.0.2.11/disks/var/lib/nova/instances/1/disk"),
        ("[2001:db8::11]:/a b", "rsync://[2001:db8::11]/disks/a b"),
        ("compute1:/a:b", "rsync://compute1/disks/a:b"),
        ("compute1:/", "rsync://compute1/disks/"),
        ("/var/lib/nova/a:/b", "/var/lib/nova/a:/b"),
        ("/tmp/x/./var/lib", "/tmp/x/./var/lib"),  # noqa: S108
    ],
)
def test_a_path_of_another_node_is_a_url(daemon: Any, path: str, url: str) -> None:
    assert daemon.as_url(path) == url


@pytest.mark.parametrize(
    ("cores", "nodes", "parts"),
    [(2, 1, [2]), (2, 2, [1, 1]), (5, 2, [3, 2]), (8, 3, [3, 3, 2]), (2, 3, [1, 1, 1])],
)
def test_the_cores_of_a_machine_are_parted(daemon: Any, cores: int, nodes: int, parts: list[int]) -> None:
    assert [daemon.part(cores, nodes, place) for place in range(1, nodes + 1)] == parts


class Rollback(Exception):  # noqa: N818 - Nova's name is
    pass


@pytest.fixture
def nova(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much of Nova as the failure of a move needs."""
    exception: Any = ModuleType("nova.exception")
    exception.InstanceFaultRollback = Rollback
    exception.ResizeError = lambda reason: reason
    state: Any = ModuleType("nova.compute.power_state")
    state.RUNNING = 1
    for name, module in (("nova", ModuleType("nova")), ("nova.compute", ModuleType("nova.compute"))):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "nova.exception", exception)
    monkeypatch.setitem(sys.modules, "nova.compute.power_state", state)


@pytest.mark.usefixtures("nova")
@pytest.mark.parametrize(("power", "started"), [(1, [("context", "network", "disks")]), (4, [])])
def test_a_vm_whose_disks_cannot_be_copied_runs_again_if_it_ran(daemon: Any, power: int, started: list[Any]) -> None:
    begun: list[Any] = []
    driver = SimpleNamespace(power_on=lambda context, _, *rest: begun.append((context, *rest)))

    def migrate(*_: Any) -> None:
        raise OSError("no space")

    vm = SimpleNamespace(power_state=power)
    with pytest.raises(Rollback, match="disks could not be copied"):
        daemon.started_again(migrate)(driver, "context", vm, "192.0.2.12", "flavor", "network", "disks", 0, 0)
    assert begun == started


@pytest.mark.usefixtures("nova")
def test_what_nova_rolls_back_itself_is_left_to_it(daemon: Any) -> None:
    def migrate(*_: Any) -> None:
        raise Rollback("smaller")

    with pytest.raises(Rollback, match="smaller"):
        daemon.started_again(migrate)(None, "context", SimpleNamespace(), "192.0.2.12", "flavor", "network")


@pytest.mark.parametrize(
    ("defined", "active", "said"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_serial_ports_are_those_of_a_vm_that_runs(daemon: Any, defined: bool, active: bool, said: bool) -> None:
    guest = SimpleNamespace(is_active=lambda: active)
    driver = SimpleNamespace(_host=SimpleNamespace(get_guest=lambda _: guest))
    assert daemon.defined_and_running(lambda *_: defined)(driver, "vm") is said
