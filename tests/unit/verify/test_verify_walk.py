"""The whole proof on a cloud in memory; each check fails when what it checks is broken."""

import json
import threading

import pytest
from fake_cloud import FakeCapture, target

from stackyard.verify.cloud import Cloud
from stackyard.verify.phases import PHASES

NAMES = [phase.name for phase in PHASES]


def results(outcome):
    return {check.name: check.result for check in outcome.checks}


def messages(outcome):
    return {check.name: check.message for check in outcome.checks if check.result == "failed"}


def nothing_left(api):
    return not any(api.things.values())


def test_all_is_well(api, prove):
    outcome = prove()
    assert messages(outcome) == {}
    assert list(results(outcome)) == [*NAMES, "clean"]
    assert outcome.passed
    assert nothing_left(api)


def test_vms_boot_with_the_guest_in_the_zones(api, prove):
    prove(keep=True)
    disk = next(image for image in api.things["images"].values() if image["disk_format"] == "raw")
    kinds = {image["id"]: image["disk_format"] for image in api.things["images"].values()}
    assert (kinds[disk["kernel_id"]], kinds[disk["ramdisk_id"]]) == ("aki", "ari")
    assert disk["os_command_line"] == "console=ttyS0"
    assert {server["host"] for server in api.things["servers"].values()} == {"compute1", "compute2"}


def test_keep_keeps(api, prove):
    outcome = prove(keep=True)
    assert outcome.passed
    assert set(outcome.kept) == {server["name"] for server in api.things["servers"].values()}
    assert prove().passed
    assert nothing_left(api)


def _wrong_zone(api):
    api.zones["compute2"] = "nova"


def _unmapped(api):
    api.unmapped = {"compute1"}


def _wrong_node(api):
    api.placed["az2"] = "compute1"


def _dead_agent(api):
    api.dead_agents = {"compute2"}


def _no_valid_host(api):
    api.fault = "No valid host was found."


def _never_active(api):
    api.polls_to_active = 10**6


def _silent(*what):
    def silence(api):
        api.silent = set(what)

    return silence


def _other_uuid(api):
    api.uuid = "somebody"


def _corrupt(api):
    api.corrupt = True


def _no_image(api):
    api.refuse = {("POST", "/v2/images")}


def _no_network(api):
    api.refuse = {("POST", "/v2.0/networks")}


def _no_compute(api):
    api.refuse = {("GET", "/servers")}


@pytest.mark.parametrize(
    ("breakage", "check", "message"),
    [
        (_no_compute, "sign in", "compute refuses"),
        (_wrong_zone, "nodes", "compute2 is in the zone nova, not az2"),
        (_unmapped, "nodes", "compute1 has no hypervisor"),
        (_dead_agent, "agents", "Agent on compute2 is dead"),
        (_no_image, "image", "image refuses"),
        (_no_network, "network", "network refuses"),
        (_no_valid_host, "boot", "No valid host was found."),
        (_never_active, "boot", "not within 240 s; last seen: stackyard-verify-run-compute1 BUILD"),
        (_wrong_node, "placement", "stackyard-verify-run-compute2 runs on compute1 in az1, not on compute2 in az2"),
        (_silent("boot", "dhcp", "metadata", "script", "ping", "tcp"), "console", "has not booted"),
        (_silent("dhcp"), "console", "has no address from DHCP"),
        (_silent("metadata"), "metadata", "gets no answer"),
        (_other_uuid, "metadata", "got that of somebody"),
        (_silent("script"), "metadata", "has not got its script"),
        (_silent("ping"), "ping", "gets no answer from 10.77.0.12"),
        (_silent("tcp"), "tcp", "has 0 of 1000000 bytes from 10.77.0.12"),
        (_corrupt, "tcp", "has 1000000 of 1000000 bytes from 10.77.0.12"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_broken(api, prove, breakage, check, message):
    breakage(api)
    outcome = prove()
    assert not outcome.passed
    assert message in messages(outcome)[check]
    assert next(each.hint for each in outcome.checks if each.name == check)
    assert nothing_left(api)


def test_wrong_encapsulation(prove, monkeypatch):
    monkeypatch.setattr(FakeCapture, "encapsulation", "Geneve")
    outcome = prove()
    assert "encapsulation geneve, not vxlan" in messages(outcome)["wire"]
    assert results(outcome)["ping"] == "passed"


def test_what_builds_on_a_failure_is_skipped_with_its_reason(api, prove):
    _no_network(api)
    outcome = prove()
    skipped = {check.name: check.message for check in outcome.checks if check.result == "skipped"}
    assert skipped["boot"] == "needs: network"
    assert {"console", "metadata", "ping", "tcp", "wire"} <= set(skipped)
    assert results(outcome)["clean"] == "passed"


def test_without_signing_in_nothing_is_tried(api, prove):
    _no_compute(api)
    outcome = prove()
    assert set(results(outcome).values()) == {"failed", "skipped"}
    assert "clean" not in results(outcome)


def test_interrupted_it_cleans(api, prove):
    FakeCapture.stopped = 0

    def interrupt(event):
        if event.subject == "console" and event.kind == "started":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prove(report=interrupt)
    assert nothing_left(api)
    assert FakeCapture.stopped == 2


def test_interrupted_while_it_uploads_it_begins_nothing_new(api, tmp_path, monkeypatch):
    begun, ended = threading.Event(), threading.Event()
    limit, call = Cloud.limit, api.call

    def interrupt(service, method, path, **how):
        if how["body"]["name"].endswith("kernel"):
            assert begun.wait(30)
            raise KeyboardInterrupt
        begun.set()
        assert ended.wait(30)
        return call(service, method, path, **how)

    monkeypatch.setattr(api, "call", interrupt)
    monkeypatch.setattr(Cloud, "limit", lambda self, *how: (limit(self, *how), ended.set()))
    with pytest.raises(KeyboardInterrupt):
        Cloud(api).upload("stackyard-verify-run-", target(tmp_path).guest)
    assert api.calls == [("POST", "/v2/images")]


def test_a_console_that_is_not_there_yet_is_waited_for(api, prove):
    api.consoles_late = 5
    assert prove().passed


def test_what_a_killed_run_left_goes_first(api, prove):
    api.make("servers", name="stackyard-verify-run-old")
    outcome = prove()
    assert outcome.passed
    assert outcome.checks[1].saw.details == {"removed": ["stackyard-verify-run-old"]}


def test_phases_need_only_what_comes_before():
    for index, phase in enumerate(PHASES):
        assert set(phase.needs) <= set(NAMES[:index])
        assert phase.hint
        assert phase.check.__doc__


def test_json(prove):
    data = json.loads(prove().as_json())
    assert (data["site"], data["passed"], data["kept"]) == ("demo", True, {})
    assert [check["name"] for check in data["checks"]] == [*NAMES, "clean"]
    assert all(check["ok"] and check["seconds"] >= 0 and check["seen"] for check in data["checks"])
    wire = next(check for check in data["checks"] if check["name"] == "wire")
    assert "IP 10.77.0.11 > 10.77.0.12: ICMP echo request, id 7, seq 0" in wire["lines"]


def test_table(api, prove):
    text = prove().as_text()
    assert text.splitlines()[0].split() == ["CHECK", "RESULT", "TIME", "SEEN"]
    assert "tunnel network of compute1:" in text
    assert text.splitlines()[-1].startswith("demo: all 15 checks passed in ")
    assert all(line == line.rstrip() for line in text.splitlines())

    _dead_agent(api)
    text = prove().as_text()
    assert "agents failed: network agents: not within 30 s" in text
    assert "hint: `stackyard status` tells whether the agent runs" in text
    assert text.splitlines()[-1] == "demo: 1 of 15 checks did not pass: agents"
