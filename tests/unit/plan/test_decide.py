"""Steps and their reasons."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolved_sites import FACTS, TOY, Resolve, rendered, resolved
from stackyard.bundle import Bundle
from stackyard.plan.decide import LABEL_CONFIG, LABEL_HASH, Plan, Target, decide
from stackyard.plan.observed import Network, Observed, Running
from stackyard.plan.resolved import ResolvedSite
from stackyard.plan.text import as_data, as_text

_CLOCK = itertools.count(100)
_IDS = itertools.count()


def started(target: Target, nodes: dict[str, Running], **changes: object) -> Running:
    """What the engine shows once a target was made and started."""
    node = nodes.get(target.member_of or "")
    done = {"status": "exited", "exit_code": 0} if target.job else {"status": "running"}
    labels = {
        "stackyard.node": target.node,
        "stackyard.container": target.container,
        LABEL_HASH: target.hash,
        LABEL_CONFIG: " ".join(f"{name.replace(' ', '-')}:{value}" for name, value in target.parts.items()),
    }
    made = Running(
        id=f"id{next(_IDS)}",
        name=target.name,
        image_id=f"id of {target.image}",
        labels=labels,
        status=str(done["status"]),
        started_at=f"2027-01-01T00:00:00.{next(_CLOCK):09d}Z",
        network_mode=f"container:{node.id}" if node else "toytest-management",
        pid_mode=f"container:{node.id}" if node and target.shares_pid else "",
        environment=target.environment,
        addresses=target.addresses,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def everything(site: ResolvedSite, made: Bundle) -> Observed:
    """The engine after the site was brought up."""
    containers: dict[str, Running] = {}
    for target in made.targets:
        containers[target.name] = started(target, containers)
    networks = {}
    for name, each in site.networks.items():
        outside, interfaces = bool(each.interface), (each.interface,) if each.interface else ()
        networks[name] = Network(name, (each.subnet,), each.internal, each.gateway, outside, "br-1", interfaces)
    return Observed(containers, networks, {image: f"id of {image}" for image in site.images})


def steps(plan: Plan) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {step.key: (step.verb, step.why) for step in plan.changes}


def planned(site: ResolvedSite, observed: Observed, made: Bundle | None = None) -> Plan:
    return decide(site.networks, (made or rendered(site)).targets, observed)


def applied(observed: Observed, plan: Plan, site: ResolvedSite, made: Bundle) -> Observed:
    """What the engine shows after the plan was walked as `deploy` does it."""
    containers = dict(observed.containers)
    for step in plan.of("remove", "recreate"):
        del containers[step.name]
    for target in sorted(made.targets, key=lambda target: target.member_of is not None):
        verb = next(step.verb for step in plan.steps if step.name == target.name)
        if verb in {"create", "recreate"}:
            containers[target.name] = started(target, containers)
        elif verb in {"start", "restart"}:
            fresh = started(target, containers)
            changes = {"status": fresh.status, "exit_code": 0, "started_at": fresh.started_at}
            containers[target.name] = replace(containers[target.name], **changes)  # type: ignore[arg-type]
    for join in plan.joins:
        there = {name: each for name, each in containers[join.name].addresses.items() if name != join.network}
        joined = {join.network: join.address} if join.verb == "connect" else {}
        containers[join.name] = replace(containers[join.name], addresses={**there, **joined})
    return Observed(containers, everything(site, made).networks, observed.images)


def test_the_plan_from_nothing_is_the_golden_text(toy: Resolve) -> None:
    site = toy()
    images = dict.fromkeys(site.images, "id")
    assert as_text(site, planned(site, Observed(images=images)), ["echo/token"]) == (
        "site toytest: release 1, plain, vxlan\n"
        "  + secret echo/token: not there\n"
        "  + network toytest-management 172.31.96.0/24: create, not there\n"
        "  + network toytest-tunnel 172.31.97.0/24: create, not there\n"
        "  + node one: create, not there\n"
        "  + node two: create, not there\n"
        "  + container one/set-up: create, not there\n"
        "  + container one/echo: create, not there\n"
        "  + container two/late: create, not there\n"
        "create 5\n"
    )


def test_the_plan_of_what_is_there_is_empty(demo: ResolvedSite) -> None:
    made = rendered(demo)
    plan = planned(demo, everything(demo, made), made)
    assert plan.empty
    assert as_text(demo, plan).endswith(f"nothing to do: {len(made.targets)} containers are as they should be\n")
    assert as_data(demo, plan)["nothing_to_do"]


def test_missing_images_are_named(toy: Resolve) -> None:
    site = toy()
    assert planned(site, Observed()).missing_images == ("toy.test/echo:1", "toy.test/late:1", "toy.test/node:1")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"settings": {"MODE": "crash"}},
            {"two/late": ("recreate", ("common.env changed (MODE)",))},
        ),
        (
            {"publish": {"offset": 1}},
            {
                "one": ("recreate", ("published ports changed",)),
                "one/echo": ("recreate", ("its node one is made anew",)),
            },
        ),
        (
            {"containers": {"never": True}},
            {"two/never": ("create", ("not there",))},
        ),
    ],
)
def test_a_change_of_the_site_and_its_reason(toy: Resolve, changes: dict[str, object], expected: object) -> None:
    before = everything(toy(), rendered(toy()))
    found = steps(planned(toy(**changes), before))
    assert found == expected


def changed(observed: Observed, name: str, **changes: object) -> Observed:
    containers = {**observed.containers, name: replace(observed.containers[name], **changes)}  # type: ignore[arg-type]
    return replace(observed, containers=containers)


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("toytest-two-late", {"image_id": "other"}, {"two/late": ("recreate", ("image changed",))}),
        ("toytest-two", {"image_id": "other"}, {}),
        (
            "toytest-two-late",
            {"status": "exited", "exit_code": 137},
            {"two/late": ("start", ("it is exited, code 137",))},
        ),
        ("toytest-two-late", {"status": "created"}, {"two/late": ("start", ("it was never started",))}),
        ("toytest-two-late", {"status": "restarting"}, {}),
        ("toytest-one-set-up", {"exit_code": 1}, {"one/set-up": ("start", ("it is exited, code 1",))}),
        (
            "toytest-two",
            {"started_at": "2028-01-01T00:00:00Z"},
            {"two/late": ("restart", ("its node two was started after it: its network is gone",))},
        ),
        (
            "toytest-two-late",
            {"network_mode": "container:gone"},
            {"two/late": ("recreate", ("it belongs to an earlier two",))},
        ),
        (
            "toytest-two",
            {"addresses": {"toytest-management": "172.31.96.11"}},
            {
                "two": ("recreate", ("its address in toytest-tunnel is none, not 172.31.97.11",)),
                "two/late": ("recreate", ("its node two is made anew",)),
            },
        ),
        (
            "toytest-two",
            {"status": "exited", "exit_code": 0},
            {
                "two": ("start", ("it is exited, code 0",)),
                "two/late": ("restart", ("its node two was started after it: its network is gone",)),
            },
        ),
    ],
)
def test_a_state_of_the_engine_and_what_is_done(
    toy: Resolve, name: str, changes: dict[str, object], expected: object
) -> None:
    site = toy()
    observed = everything(site, rendered(site))
    assert steps(planned(site, changed(observed, name, **changes))) == expected


def test_what_is_not_in_the_site_is_removed(toy: Resolve) -> None:
    observed = everything(toy(), rendered(toy()))
    late = observed.containers["toytest-two-late"]
    more = {**observed.containers, "1234_toytest-two-late": replace(late, name="1234_toytest-two-late")}
    (step,) = planned(toy(), replace(observed, containers=more)).changes
    assert (step.verb, step.name) == ("remove", "1234_toytest-two-late")


NODES = {"controller": {"roles": ["controller"]}} | {f"compute{number}": {"roles": ["compute"]} for number in (1, 2, 3)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("controller", "compute1", "compute2"), ("controller", "compute1", "compute2", "compute3")),
        (("controller", "compute1", "compute2"), ("controller", "compute2")),
        (("controller", "compute1", "compute2"), ("controller", "compute3", "compute2")),
        (("controller", "compute1", "compute2"), ("compute2", "controller", "compute1")),
    ],
    ids=["added", "removed", "renamed", "in another order"],
)
def test_a_node_that_comes_or_goes_leaves_the_others_alone(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    first = resolved("demo", nodes={name: NODES[name] for name in before})
    had = {node.name: (str(node.management), str(node.tunnel)) for node in first.nodes}
    then = resolved("demo", facts=replace(FACTS, nodes=had), nodes={name: NODES[name] for name in after})
    plan = planned(then, everything(first, rendered(first)))
    assert {step.key: step.verb for step in plan.changes if step.is_node} == {
        **dict.fromkeys(set(after) - set(before), "create"),
        **dict.fromkeys(set(before) - set(after), "remove"),
    }
    assert set(plan.ending(())) == set(before) - set(after)


def test_a_node_of_an_earlier_version_is_left_alone(toy: Resolve) -> None:
    """Its labels have parts that are not looked at any more."""
    observed = everything(toy(), rendered(toy()))
    labels = observed.containers["toytest-two"].labels
    old = {**labels, LABEL_HASH: "old", LABEL_CONFIG: f"{labels[LABEL_CONFIG]} extra_hosts:1 networks:2"}
    assert steps(planned(toy(), changed(observed, "toytest-two", labels=old))) == {}


def test_vms_end_with_their_node_or_with_a_hypervisor_that_goes(toy: Resolve) -> None:
    observed = everything(toy(), rendered(toy()))
    plan = planned(toy(publish={"offset": 1}), observed)
    (step,) = plan.ending({"late"}).values()
    assert (step.key, step.verb) == ("one", "recreate")
    shown = as_text(toy(), replace(plan, ended={"one": (1, step)}))
    assert "  ~ node one: recreate, published ports changed; ends 1 VM\n" in shown
    assert as_data(toy(), replace(plan, ended={"one": (1, step)}))["ended_vms"] == {"one": 1}
    old = observed.containers["toytest-two-late"]
    labels = {**old.labels, "stackyard.container": "old"}
    more = {**observed.containers, "toytest-two-old": replace(old, name="toytest-two-old", labels=labels)}
    plan = planned(toy(), replace(observed, containers=more))
    assert {node: step.verb for node, step in plan.ending({"old"}).items()} == {"two": "remove"}
    assert plan.ending({"late"}) == {}


STATES = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["running", "exited", "created", "dead", "paused"]),
        "exit_code": st.sampled_from([0, 1, 137]),
        "started_at": st.sampled_from(["2025-01-01T00:00:00Z", "2026-06-01T00:00:00.5Z"]),
        "image_id": st.just("other"),
        "labels": st.just({}),
        "network_mode": st.just("container:gone"),
        "addresses": st.just({}),
    },
)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_the_plan_after_an_apply_is_empty(data: st.DataObject) -> None:
    site = _SITES.setdefault("toy", resolved("toy", TOY))
    made = rendered(site)
    full = everything(site, made)
    names = data.draw(st.sets(st.sampled_from(sorted(full.containers))))
    containers = {
        name: replace(full.containers[name], **data.draw(STATES, label=name))  # type: ignore[arg-type]
        for name in full.containers
        if name in names
    }
    networks = {name: each for name, each in full.networks.items() if data.draw(st.booleans())}
    observed = Observed(containers, networks, full.images)
    after = applied(observed, planned(site, observed, made), site, made)
    assert steps(planned(site, after, made)) == {}


_SITES: dict[str, ResolvedSite] = {}


PUBLIC = {"management": "172.31.96.0/24", "tunnel": "172.31.97.0/24", "public": "172.31.98.0/24"}


def test_nodes_that_run_vms_leave_the_public_network_as_they_run() -> None:
    before, after = (
        resolved("demo", networks={**PUBLIC, **changes}, contents=None) for changes in ({}, {"public": None})
    )
    made = rendered(after)
    observed = everything(before, rendered(before))
    plan = planned(after, observed, made)
    assert [(step.verb, step.name) for step in plan.networks if step.verb != "unchanged"] == [("remove", "demo-public")]
    assert {(join.verb, join.node) for join in plan.joins} == {("disconnect", "compute1"), ("disconnect", "compute2")}
    assert not [step for step in plan.changes if step.is_node]
    assert "  ~ node compute1: disconnect, network demo-public\n" in as_text(after, plan)
    again = planned(after, applied(observed, plan, after, made), made)
    assert again.empty


def test_who_knows_the_address_of_a_network_that_a_node_lost_begins_anew() -> None:
    """Somebody took a node off the network, as it ran: the interface that comes back is another one."""
    site = resolved("demo", networks=PUBLIC, contents=None)
    made = rendered(site)
    observed = everything(site, made)
    node = observed.containers["demo-compute1"]
    lost = replace(node, addresses={name: each for name, each in node.addresses.items() if name != "demo-public"})
    observed = replace(observed, containers={**observed.containers, node.name: lost})
    plan = planned(site, observed, made)
    assert [(join.verb, join.node) for join in plan.joins] == [("connect", "compute1")]
    assert {(step.verb, step.key) for step in plan.changes} == {("restart", "compute1/ovs-vswitchd")}
    assert planned(site, applied(observed, plan, site, made), made).empty


def test_one_node_alone_leaves_its_network_where_others_are_on_it() -> None:
    before, after = (
        resolved("demo", networks={**PUBLIC, **changes}, contents=None) for changes in ({}, {"public": None})
    )
    observed = everything(before, rendered(before))
    plan = decide(after.networks, rendered(after).targets, observed, "compute1")
    assert [join.node for join in plan.joins] == ["compute1"]
    assert {step.verb for step in plan.networks} == {"unchanged"}
