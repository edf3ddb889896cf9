"""Nova's job zones.py against APIs that exist in memory: what the site has is there, what it has no more is gone."""

import importlib.util
import re
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from keystoneauth1 import exceptions

SCRIPT = Path(__file__).parents[3] / "catalogue" / "openstack" / "nova" / "zones.py"


@pytest.fixture(scope="module")
def script():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("nova_zones", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["nova_zones"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["nova_zones"]


class Answer:
    def __init__(self, body=None, status=200):
        self.body, self.status_code, self.ok, self.headers = body, status, status < 400, {}

    def json(self):
        return self.body


class Cloud:
    """Nova, Placement and Neutron, as far as the job asks them. ``vms`` are host -> names of servers."""

    def __init__(self):
        self.services, self.aggregates, self.providers, self.agents, self.servers = [], [], {}, [], []
        self.made = SimpleNamespace(names=set(), new=True)
        self.made.keep = self.made.names.add
        self.made.forget = self.made.names.discard
        self.ids = iter(range(1, 1000))
        self.fails, self.away, self.unmapped = ("nothing",), False, ()

    def start(self, host, binary="nova-compute"):
        """A program registers."""
        if not any(each["host"] == host and each["binary"] == binary for each in self.services):
            self.services.append({"id": f"s{next(self.ids)}", "binary": binary, "host": host, "state": "up"})
        if binary == "nova-compute":
            self.providers.setdefault(host, set())
            self.agents.append({"id": f"a{next(self.ids)}", "host": host})

    def vm(self, name, host, status="ACTIVE"):
        self.servers.append({"id": f"id-{name}", "name": name, "host": host, "status": status})

    def aggregate(self, name, zone, *hosts):
        """Somebody makes an aggregate."""
        uuid = f"u{next(self.ids)}"
        self.aggregates.append(
            {"id": next(self.ids), "uuid": uuid, "name": name, "availability_zone": zone, "hosts": [*hosts]}
        )
        for host in hosts:
            self.providers[host].add(uuid)

    def zones(self):
        return {each["name"]: each["hosts"] for each in self.aggregates}

    def hosts(self, binary="nova-compute"):
        return [each["host"] for each in self.services if each["binary"] == binary]

    def _busy(self, host):
        return [each for each in self.servers if each["host"] == host]

    def call(self, method, url, json=None, *, raise_exc=True):
        answer = self._answer(f"{method} {url}", json)
        if not answer.ok and raise_exc:
            raise exceptions.ClientException(f"{method} {url}: {answer.status_code}")
        return answer

    def _answer(self, call, body):  # noqa: C901, PLR0911, PLR0912 - a table
        if call.startswith(self.fails):
            return Answer(status=500)
        at = lambda pattern: re.fullmatch(pattern, call)  # noqa: E731
        if at("GET /os-services.*"):
            binary = call.partition("binary=")[2]
            there = [] if self.away else self.services
            return Answer({"services": [each for each in there if binary in {"", each["binary"]}]})
        if at("GET /os-hypervisors/detail"):
            mapped = [host for host in self.hosts() if host not in self.unmapped]
            found = [{"service": {"host": host}, "hypervisor_hostname": host} for host in mapped]
            return Answer({"hypervisors": found})
        if at("GET /os-aggregates"):
            return Answer({"aggregates": [{**each, "hosts": [*each["hosts"]]} for each in self.aggregates]})
        if at("GET /resource_providers"):
            return Answer({"resource_providers": [{"name": name, "uuid": name} for name in self.providers]})
        if found := at("(GET|PUT) /resource_providers/(.*)/aggregates"):
            if body:
                assert body["resource_provider_generation"] == 7
                self.providers[found[2]] = set(body["aggregates"])
            return Answer({"aggregates": sorted(self.providers[found[2]]), "resource_provider_generation": 7})
        if found := at("DELETE /resource_providers/(.*)"):
            del self.providers[found[1]]
            return Answer()
        if found := at(r"GET /v2.0/agents\?host=(.*)"):
            return Answer({"agents": [each for each in self.agents if each["host"] == found[1]]})
        if found := at("DELETE /v2.0/agents/(.*)"):
            self.agents = [each for each in self.agents if each["id"] != found[1]]
            return Answer()
        if found := at(r"GET /servers/detail\?all_tenants=1&host=(.*)"):
            return Answer({"servers": self._busy(found[1])})
        if found := at("POST /servers/(.*)/action"):
            server = next(each for each in self.servers if each["id"] == found[1])
            server["status"] = body["os-resetState"]["state"].upper()
            return Answer()
        if at("POST /os-aggregates"):
            self.aggregate(body["aggregate"]["name"], body["aggregate"]["availability_zone"])
            return Answer({"aggregate": {**self.aggregates[-1]}})
        if found := at("POST /os-aggregates/(.*)/action"):
            return self._member(int(found[1]), body)
        if found := at("DELETE /os-aggregates/(.*)"):
            assert not next(each for each in self.aggregates if str(each["id"]) == found[1])["hosts"]
            self.aggregates = [each for each in self.aggregates if str(each["id"]) != found[1]]
            return Answer()
        if found := at("PUT /os-services/(.*)"):
            next(each for each in self.services if each["id"] == found[1]).update(body)
            return Answer()
        if found := at("DELETE /os-services/(.*)"):
            return self._delete_service(next(each for each in self.services if each["id"] == found[1]))
        raise AssertionError(call)

    def _member(self, identifier, body):
        aggregate = next(each for each in self.aggregates if each["id"] == identifier)
        ((action, what),) = body.items()
        host = what["host"]
        others = {
            each["availability_zone"] for each in self.aggregates if host in each["hosts"] and each is not aggregate
        }
        zone = aggregate["availability_zone"]
        if zone and ((self._busy(host) and zone not in others) or others - {None, zone}):
            return Answer(status=409)
        getattr(aggregate["hosts"], {"add_host": "append", "remove_host": "remove"}[action])(host)
        getattr(self.providers[host], {"add_host": "add", "remove_host": "discard"}[action])(aggregate["uuid"])
        return Answer()

    def _delete_service(self, service):
        host = service["host"]
        if service["binary"] == "nova-compute":
            if self._busy(host):
                return Answer(status=409)
            for each in self.aggregates:
                each["hosts"] = [name for name in each["hosts"] if name != host]
        self.services.remove(service)
        return Answer()

    def adapter(self):
        return SimpleNamespace(**{verb: partial(self.call, verb.upper()) for verb in ("get", "post", "put", "delete")})


@pytest.fixture
def cloud(script):
    cloud = Cloud()
    cloud.cells = script.Cells()

    def job(zones, **services):
        """Run the job once for a site."""
        hosts = [host for each in zones.values() for host in each]
        apis = script.Apis(cloud.adapter(), cloud.adapter(), cloud.adapter())
        site = script.Site(zones, {"nova-compute": hosts, "nova-scheduler": ["controller"], **services})
        waits = script.reconcile(apis, cloud.made, cloud.cells, site)
        cloud.made.new = not cloud.made.names
        return waits

    cloud.job = job
    for host in ("compute1", "compute2"):
        cloud.start(host)
    cloud.start("controller", "nova-scheduler")
    return cloud


BOTH = {"az1": ["compute1"], "az2": ["compute2"]}


def test_each_host_is_in_its_zone_in_nova_and_placement(cloud):
    assert cloud.job(BOTH) == ""
    assert cloud.zones() == BOTH
    uuids = {each["name"]: each["uuid"] for each in cloud.aggregates}
    assert cloud.providers == {"compute1": {uuids["az1"]}, "compute2": {uuids["az2"]}}


def test_what_placement_was_not_told_it_is_told_though_vms_run(cloud):
    cloud.job(BOTH)
    wanted = {name: set(each) for name, each in cloud.providers.items()}
    cloud.vm("web", "compute1")
    cloud.providers["compute1"].clear()
    assert cloud.job(BOTH) == ""
    assert cloud.providers == wanted


def test_a_host_that_is_not_up_is_waited_for(cloud):
    assert cloud.job({**BOTH, "az3": ["compute3"]}) == "nova-compute is not registered, or not up, on compute3"
    cloud.start("compute3")
    assert cloud.job({**BOTH, "az3": ["compute3"]}) == ""
    assert cloud.zones() == {**BOTH, "az3": ["compute3"]}


def test_another_zone_moves_the_host_and_removes_the_zone_that_nobody_is_in(cloud):
    cloud.job(BOTH)
    cloud.vm("web", "compute1")
    moved = {"az1": ["compute1"], "gold": ["compute2"]}
    assert cloud.job(moved) == ""
    assert cloud.zones() == moved
    together = {"az1": ["compute1", "compute2"]}
    cloud.servers.clear()
    assert cloud.job(together) == ""
    assert cloud.zones() == together


def test_a_host_with_vms_stays_in_its_zone_and_it_is_said(cloud, script):
    cloud.job(BOTH)
    cloud.vm("web", "compute2")
    with pytest.raises(script.RefusedError, match=r"compute2 stays in zone az2: .* Delete or shelve web \(id-web\)"):
        cloud.job({"az1": ["compute1", "compute2"]})
    assert cloud.zones() == BOTH


def test_aggregates_of_an_operator_stay(cloud):
    cloud.job(BOTH)
    cloud.aggregate("ssd", None, "compute1", "compute2")
    cloud.aggregate("empty", "empty")
    assert cloud.job({"one": ["compute1"], "two": ["compute2"]}) == ""
    assert cloud.zones() == {
        "ssd": ["compute1", "compute2"], "empty": [], "one": ["compute1"], "two": ["compute2"],
    }  # fmt: skip


def test_a_zone_that_an_operator_made_is_used_and_stays(cloud):
    cloud.job(BOTH)
    cloud.aggregate("gold", "gold")
    assert cloud.job({"az1": ["compute1"], "gold": ["compute2"]}) == ""
    assert cloud.zones() == {"az1": ["compute1"], "gold": ["compute2"]}
    assert cloud.job(BOTH) == ""
    assert cloud.zones() == {**BOTH, "gold": []}


def test_a_host_that_an_operator_put_into_another_zone_is_not_taken_out_of_it(cloud, script):
    cloud.job({"az1": ["compute1"]})
    cloud.aggregate("mine", "mine", "compute2")
    with pytest.raises(script.RefusedError, match="openstack aggregate remove host mine compute2"):
        cloud.job(BOTH)
    assert cloud.zones()["mine"] == ["compute2"]


def test_an_aggregate_of_that_name_that_is_another_zone_is_not_taken(cloud, script):
    cloud.aggregate("az1", "elsewhere")
    with pytest.raises(script.RefusedError, match="a host aggregate az1 which is not the zone az1"):
        cloud.job(BOTH)


def test_a_removed_node_is_gone_everywhere(cloud):
    cloud.job(BOTH)
    cloud.vm("web", "compute1")
    assert cloud.job({"az1": ["compute1"]}) == ""
    assert cloud.hosts() == ["compute1"]
    assert cloud.zones() == {"az1": ["compute1"]}
    assert list(cloud.providers) == ["compute1"]
    assert {each["host"] for each in cloud.agents} == {"compute1"}


def test_a_renamed_node_is_gone_before_the_new_one_is_waited_for(cloud):
    cloud.job(BOTH)
    renamed = {"az1": ["compute1"], "az2": ["worker"]}
    assert cloud.job(renamed) == "nova-compute is not registered, or not up, on worker"
    assert {each["host"] for each in cloud.agents} == {"compute1"}
    cloud.start("worker")
    assert cloud.job(renamed) == ""
    assert cloud.hosts() == ["compute1", "worker"]
    assert cloud.zones() == renamed


def test_a_node_that_never_came_up_is_gone_too(cloud):
    cloud.job(BOTH)
    cloud.job({**BOTH, "az3": ["compute3"]})
    cloud.start("compute3")
    cloud.job(BOTH)
    assert cloud.hosts() == ["compute1", "compute2"]


def test_programs_that_moved_to_another_node_are_gone_from_the_first(cloud):
    cloud.job(BOTH)
    cloud.start("head", "nova-scheduler")
    cloud.job(BOTH, **{"nova-scheduler": ["head"]})
    assert cloud.hosts("nova-scheduler") == ["head"]


def test_a_node_that_nova_failed_to_delete_is_deleted_at_the_next_try(cloud):
    cloud.job(BOTH)
    cloud.fails = ("DELETE /os-services",)
    with pytest.raises(exceptions.ClientException):
        cloud.job({"az1": ["compute1"]})
    cloud.fails = ("nothing",)
    assert cloud.job({"az1": ["compute1"]}) == ""
    assert cloud.hosts() == ["compute1"]


def test_a_node_is_not_forgotten_while_its_cell_is_away(cloud):
    """Nova leaves the programs of a cell out whose database does not answer."""
    cloud.job(BOTH)
    cloud.away = True
    assert cloud.job({"az1": ["compute1"]}) == "Nova lists none of the site's programs"
    cloud.away = False
    assert cloud.job({"az1": ["compute1"]}) == ""
    assert cloud.hosts() == ["compute1"]


def test_a_host_that_the_scheduler_does_not_map_is_mapped(cloud, script, monkeypatch, capsys):
    monkeypatch.setattr(script, "DISCOVER", ("true", "discover"))
    clock = iter((100.0, 114.0, 116.0))
    monkeypatch.setattr(script.time, "monotonic", lambda: next(clock))
    cloud.unmapped = ("compute2",)
    for _ in range(2):
        assert cloud.job(BOTH) == "nova-compute is not registered, or not up, on compute2"
    assert capsys.readouterr().out == ""
    cloud.job(BOTH)
    assert capsys.readouterr().out == "compute2: up, and in no cell of Nova; true discover\n"


def test_nodes_of_somebody_else_stay(cloud):
    cloud.start("foreign")
    cloud.start("foreign", "nova-scheduler")
    cloud.job(BOTH)
    cloud.job({"az1": ["compute1"]})
    assert cloud.hosts() == ["compute1", "foreign"]
    assert "foreign" in cloud.hosts("nova-scheduler")
    assert "foreign" in {each["host"] for each in cloud.agents}


def test_vms_of_a_removed_node_are_not_deleted_but_in_error_and_it_is_said(cloud, script):
    cloud.job(BOTH)
    cloud.vm("web", "compute2")
    cloud.vm("idle", "compute2", "SHUTOFF")
    with pytest.raises(script.RefusedError, match=r"compute2 is not in the site .* web \(id-web\), idle \(id-idle\)"):
        cloud.job({"az1": ["compute1"]})
    assert [each["status"] for each in cloud.servers] == ["ERROR", "SHUTOFF"]
    forced = [each["host"] for each in cloud.services if each.get("forced_down")]
    assert forced == ["compute2"]
    cloud.servers.clear()
    assert cloud.job({"az1": ["compute1"]}) == ""
    assert cloud.hosts() == ["compute1"]
    assert cloud.zones() == {"az1": ["compute1"]}


def test_a_node_that_is_put_back_may_run_again(cloud, script):
    cloud.job(BOTH)
    cloud.vm("web", "compute2")
    with pytest.raises(script.RefusedError):
        cloud.job({"az1": ["compute1"]})
    assert cloud.job(BOTH) == ""
    assert not any(each.get("forced_down") for each in cloud.services)


def test_what_an_earlier_version_made_is_the_sites(cloud):
    cloud.aggregate("az1", "az1", "compute1")
    cloud.aggregate("az2", "az2", "compute2")
    cloud.aggregate("theirs", "theirs")
    assert cloud.job(BOTH) == ""
    assert cloud.job({"one": ["compute1"], "two": ["compute2"]}) == ""
    assert cloud.zones() == {"theirs": [], "one": ["compute1"], "two": ["compute2"]}
