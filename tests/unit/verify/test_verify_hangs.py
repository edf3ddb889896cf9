"""APIs that hang: the proof ends in time, names the one, and deletes what can be deleted."""

import pytest
from fake_cloud import general

from stackyard.errors import StackyardError
from stackyard.verify import clean, run
from stackyard.verify.cloud import Cloud

SIGN_IN = ("POST", "/v3/auth/tokens")
CALLS = [
    SIGN_IN,
    ("GET", "/servers"),
    ("GET", "/v2/images"),
    ("GET", "/v2.0/networks"),
    ("GET", "/v2.0/ports"),
    ("GET", "/v2.0/security-groups"),
    ("GET", "/flavors"),
    ("GET", "/os-services"),
    ("GET", "/os-hypervisors/detail"),
    ("GET", "/v2.0/agents"),
    ("POST", "/v2/images"),
    ("PUT", "/v2/images/ID/file"),
    ("POST", "/flavors"),
    ("POST", "/v2.0/networks"),
    ("POST", "/v2.0/subnets"),
    ("POST", "/v2.0/security-groups"),
    ("POST", "/v2.0/security-group-rules"),
    ("POST", "/v2.0/ports"),
    ("POST", "/servers"),
    ("GET", "/servers/ID"),
    ("POST", "/servers/ID/action"),
    ("DELETE", "/servers/ID"),
    ("DELETE", "/v2.0/ports/ID"),
    ("DELETE", "/v2.0/networks/ID"),
    ("DELETE", "/v2.0/security-groups/ID"),
    ("DELETE", "/flavors/ID"),
    ("DELETE", "/v2/images/ID"),
]
"""Each call of the proof."""
WIRE = 30
"""What may be added to the deadline by a check that asks no API."""


def name(call):
    return " ".join(call)


def test_these_are_all_calls(api, prove):
    prove()
    assert {(method, general(path)) for method, path in api.calls} | {SIGN_IN} == set(CALLS)


@pytest.mark.parametrize("hanging", CALLS, ids=name)
def test_one_call_hangs(api, prove, hanging):
    api.hangs = {hanging}
    outcome = prove()
    failed = [check for check in outcome.checks if check.result == "failed"]
    assert hanging[0] in failed[0].message
    assert "no answer in 60 s" in "".join(check.message for check in failed) or "no answer in 5 s" in failed[0].message
    assert api.clock.now <= run.DEADLINE + WIRE + clean.DEADLINE
    if hanging == ("DELETE", "/servers/ID"):  # what it holds stays, and nothing else is named
        assert not api.things["images"]
        assert "flavor" not in outcome.checks[-1].message
    deletable = hanging[0] != "DELETE" and hanging[1] not in {"/v2.0/ports", "/v2.0/security-groups", "/flavors"}
    assert not deletable or not any(api.things.values())


@pytest.mark.parametrize("phase", ["leftovers", "image", "boot", "console", "wire", "clean"])
def test_every_api_hangs_from_a_phase_on(api, prove, phase):
    def hang(event):
        if (event.subject, event.kind) == (phase, "started"):
            api.hangs = set(CALLS)

    outcome = prove(report=hang)
    assert api.clock.now <= run.DEADLINE + WIRE + clean.DEADLINE
    last = outcome.checks[-1]
    assert (last.name, last.result) == ("clean", "failed")
    assert "no answer in" in last.message


def test_an_api_that_is_silent_is_not_waited_for_as_long_again_until_it_answers(api, prove):
    prove(keep=True)
    api.hangs = {("GET", "/servers"), ("GET", "/flavors")}
    with pytest.raises(StackyardError, match=r"GET /servers: no answer in 5 s, .* GET /flavors\S*: no answer in 5 s"):
        clean.clean(Cloud(api), "run")
    assert not api.things["images"]
    api.hangs = set()
    clean.clean(Cloud(api), "run")
    assert not any(api.things.values())


def test_the_whole_proof_has_a_deadline(api, prove):
    api.polls_to_active = 10**6
    outcome = prove(deadline=100)
    assert api.clock.now <= 100 + WIRE
    results = {check.name: check for check in outcome.checks}
    assert results["boot"].message.startswith("VMs to become ACTIVE: the proof took longer than 100 s; last seen: ")
    assert (results["console"].result, results["console"].message) == ("skipped", "the proof took longer than 100 s")
    assert results["clean"].result == "passed"
    assert not any(api.things.values())


def test_a_failure_names_what_does_not_work_at_that_moment(api, prove):
    api.polls_to_active = 10**6
    outcome = prove(causes=lambda: ["controller/broker is not ready: no room on its disk"])
    boot = next(check for check in outcome.checks if check.name == "boot")
    assert boot.as_data()["causes"] == ["controller/broker is not ready: no room on its disk"]
    assert "at that time: controller/broker is not ready: no room on its disk\nhint: " in outcome.as_text()
