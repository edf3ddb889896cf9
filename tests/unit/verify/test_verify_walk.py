"""The whole proof on a cloud in memory; each check fails when what it checks is broken."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fake_cloud import FakeCapture, target

from stackyard.effects.web import Answer
from stackyard.model.site import PublicNetwork
from stackyard.plan.resolved import PublicUrl
from stackyard.verify.cloud import Cloud
from stackyard.verify.phases import PHASES

PUBLIC = "public URLs"
"""A check of sites that are known by URLs that something else forwards."""
OPTIONAL = {PUBLIC, "pages", "volume", "floating"}
NAMES = [phase.name for phase in PHASES if phase.name not in OPTIONAL]


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


def test_of_a_site_with_volumes_one_is_written_and_read(api, prove):
    outcome = prove(volumes=True)
    assert messages(outcome) == {}
    found = next(check for check in outcome.checks if check.name == "volume")
    assert found.saw.summary == "1 MB written on compute1, read on compute2"
    assert nothing_left(api)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"refuse": {("POST", "/volumes")}}, "block-storage refuses"),
        ({"volume_fails": True}, "the volume is in the status error, and was to become available"),
        ({"silent": {"disk"}}, "stackyard-verify-run-compute1 has not written to it"),
        ({"other_bytes": True}, "stackyard-verify-run-compute2 has not read the same"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_volumes_that_do_not_work(api, prove, broken, message):
    for name, value in broken.items():
        setattr(api, name, value)
    assert message in messages(prove(volumes=True))["volume"]
    assert nothing_left(api)


PUBLIC_NETWORK = PublicNetwork(range="198.18.82.0/24")


@pytest.mark.parametrize("there", [True, False], ids=["an external network", "none"])
def test_a_site_that_leads_out_is_entered_from_outside(api, prove, there):
    """Through the external network that there is, else through one of the proof's own."""
    if there:
        api.make("networks", name="public", **{"router:external": True})
    outcome = prove(public=PUBLIC_NETWORK)
    assert messages(outcome) == {}
    found = next(check for check in outcome.checks if check.name == "floating")
    assert found.saw.summary == "1 MB from 198.18.82.150 to this host"
    assert [each["name"] for each in api.things["networks"].values()] == (["public"] if there else [])
    assert not api.things["routers"]
    assert not api.things["floatingips"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(reason="no route to host"), "198.18.82.150: no route to host"),
        (Answer(200, "short"), "198.18.82.150: HTTP 200, 5 of 1000000 bytes"),
    ],
    ids=["nobody answers", "other data"],
)
def test_a_floating_address_that_does_not_lead_to_the_vm(api, prove, answer, message):
    api.outside = answer
    assert message in messages(prove(public=PUBLIC_NETWORK))["floating"]
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
    names = [phase.name for phase in PHASES]
    for index, phase in enumerate(PHASES):
        assert set(phase.needs) <= set(names[:index])
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


def test_one_node_is_proven_with_two_vms_that_talk_on_it(api, prove):
    outcome = prove(hosts=["compute1"], keep=True)
    assert outcome.passed, messages(outcome)
    servers = api.things["servers"].values()
    assert {(each["name"], each["host"]) for each in servers} == {
        ("stackyard-verify-run-compute1-a", "compute1"),
        ("stackyard-verify-run-compute1-b", "compute1"),
    }
    found = {check.name: check for check in outcome.checks}
    assert set(found["ping"].saw.details) == {"10.77.0.11 > 10.77.0.12", "10.77.0.12 > 10.77.0.11"}
    assert (found["wire"].result, found["wire"].ok) == ("skipped", True)
    reason = "one compute node: nothing crosses the wire"
    assert next(line.split()[1] for line in outcome.as_text().splitlines() if reason in line) == "skipped"
    assert "13 of 14 checks passed" in outcome.as_text().splitlines()[-1]
    assert outcome.as_text().splitlines()[-1].endswith(f"wire: {reason}")
    wire = next(each for each in json.loads(outcome.as_json())["checks"] if each["name"] == "wire")
    assert (wire["ok"], wire["result"], wire["seen"]) == (True, "skipped", reason)


def test_of_one_node_a_check_that_fails_fails(api, prove):
    _silent("ping")(api)
    outcome = prove(hosts=["compute1"])
    assert not outcome.passed
    assert "gets no answer from 10.77.0.12" in messages(outcome)["ping"]


@contextmanager
def answering(status: int, text: str, only: str = "") -> Iterator[str]:
    """A server that gives one answer to all, or to one path, in which URL stands for its own."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

        def do_GET(self) -> None:
            self.send_response(status if only in {"", self.path} else 404)
            self.end_headers()
            self.wfile.write(text.replace("URL", f"http://127.0.0.1:{self.server.server_port}").encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def known_as(base, local="http://127.0.0.1:5000", **changes):
    return replace(PublicUrl("identity", "Keystone", base, "/v3", local, registered=True, direct=False), **changes)


LINKS = {"version": {"id": "v3.14", "links": [{"rel": "self", "href": "URL/v3/"}]}}


@pytest.mark.parametrize(
    ("status", "text", "warning"),
    [
        (200, json.dumps(LINKS), ""),
        (200, json.dumps({"links": [{"rel": "self", "href": "/v3"}]}), ""),
        (401, "<html>", ""),
        (200, json.dumps(LINKS).replace("URL", "http://10.0.0.1"), "links in the answer lead to http://10.0.0.1/v3/"),
        (200, json.dumps(LINKS).replace("URL", "URLx"), "links in the answer lead to URLx/v3/"),
        (200, "<html>", "the answer is not that of an API"),
        (404, "", "HTTP 404"),
        (502, "", "HTTP 502"),
    ],
)
def test_public_urls_that_do_not_lead_here_are_a_warning(prove, status, text, warning):
    with answering(status, text) as base:
        outcome = prove(urls=(known_as(base),))
        warning = warning.replace("URL", base)
    found = next(check for check in outcome.checks if check.name == PUBLIC)
    assert outcome.passed
    assert found.result == ("warning" if warning else "passed")
    assert warning in found.saw.summary
    assert ("docs/publish.md" in outcome.as_text()) == bool(warning)


def test_a_public_name_that_nobody_knows_is_a_warning(prove):
    outcome = prove(urls=(known_as("https://cloud.invalid"), known_as("http://127.0.0.1:9", endpoint="console")))
    found = next(check for check in outcome.checks if check.name == PUBLIC)
    assert (outcome.passed, found.result) == (True, "warning")
    assert "2 of 2 do not lead here" in found.saw.summary
    assert any("http://127.0.0.1:9/v3: Connection refused" in line for line in found.saw.lines)
    assert "and none failed; public URLs: 2 of 2 do not lead here" in outcome.as_text().splitlines()[-1]


def test_what_has_no_path_is_asked_at_its_root(prove):
    with answering(200, json.dumps(LINKS), only="/") as base:
        outcome = prove(urls=(known_as(base, path=""),))
    assert next(check for check in outcome.checks if check.name == PUBLIC).result == "passed"


def test_pages_need_only_answer(prove):
    with answering(405, "") as base:
        outcome = prove(urls=(known_as(base, registered=False),))
    assert next(check for check in outcome.checks if check.name == PUBLIC).result == "passed"


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (200, "<!DOCTYPE html>\n<html>", ""),
        (200, "{}", "the answer is no page"),
        (503, "<html>", "HTTP 503"),
        (302, "", "HTTP 302"),
    ],
)
def test_what_is_for_browsers_has_a_page(prove, status, text, message):
    with answering(status, text) as base:
        outcome = prove(urls=(known_as(base, base, path="/", registered=False),))
    assert results(outcome)["pages"] == ("failed" if message else "passed")
    assert messages(outcome).get("pages", "").removeprefix(f"{base}: ") == message


def test_a_site_that_is_known_by_its_own_ports_has_no_such_check(prove):
    here = "http://192.0.2.1:5000"
    assert PUBLIC not in results(prove(urls=(known_as(here, here, direct=True),)))
