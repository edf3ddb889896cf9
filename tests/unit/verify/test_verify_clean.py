"""Deleting, against an API that refuses what is still in use."""

import pytest

from stackyard.errors import StackyardError
from stackyard.verify.clean import clean
from stackyard.verify.cloud import Cloud

LEFT = "stackyard-verify-run-thing"


def fill(api, name=LEFT):
    for key in ("images", "flavors", "security_groups", "networks", "ports", "servers"):
        api.make(key, name=name)


def test_everything_of_the_tag_goes_and_nothing_else(api):
    fill(api)
    fill(api, "stackyard-verify-runner-thing")
    fill(api, "somebody else's")
    api.things["ports"] = {key: port for key, port in api.things["ports"].items() if port["name"] == LEFT}
    api.things["servers"] = {key: server for key, server in api.things["servers"].items() if server["name"] == LEFT}
    removed = clean(Cloud(api), "run", deadline=5)
    assert [thing.kind for thing in removed] == ["server", "port", "network", "security group", "flavor", "image"]
    assert {each["name"] for things in api.things.values() for each in things.values()} == {
        "stackyard-verify-runner-thing",
        "somebody else's",
    }


def test_with_nothing_there_nothing_is_deleted(api):
    assert clean(Cloud(api), "run") == []
    assert {method for method, _path in api.calls} == {"GET"}


def test_a_refusal_does_not_keep_the_rest(api):
    fill(api)
    flavor = next(iter(api.things["flavors"]))
    api.refuse = {("DELETE", f"/flavors/{flavor}")}
    with pytest.raises(StackyardError, match=f"flavor {LEFT} .*compute refuses"):
        clean(Cloud(api), "run", deadline=0)
    assert api.things["images"] == {}
    assert list(api.things["flavors"]) == [flavor]


def test_what_vanishes_meanwhile_is_fine(api):
    fill(api)
    things = Cloud(api).of_kind("flavor", LEFT)
    clean(Cloud(api), "run")
    Cloud(api).delete(things[0])
