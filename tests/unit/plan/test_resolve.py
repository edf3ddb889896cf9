"""What a site resolves to."""

import json
import shutil
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolved_sites import TOY, Resolve, resolved
from stackyard.catalogue import load
from stackyard.errors import InputError
from stackyard.model.site import Networks, Node, Site
from stackyard.plan.placement import addressed
from stackyard.plan.resolved import ResolvedSite

ELSEWHERE = {"two": {"roles": ["compute"]}}
"""Nodes of the toy site that run no echo."""


def test_containers_of_a_role_run_on_its_nodes(toy: Resolve) -> None:
    assert [each.key for each in toy().containers] == ["one/set-up", "one/echo", "two/late"]
    both = {"one": {"roles": ["controller", "compute"]}, "two": {"roles": ["compute"]}}
    assert [each.key for each in toy(nodes=both).containers] == ["one/set-up", "one/echo", "one/late", "two/late"]


def test_optional_containers_are_off_until_switched_on(toy: Resolve) -> None:
    assert "two/never" in [each.key for each in toy(containers={"never": True}).containers]


def test_values_come_from_the_site_then_the_container_then_the_contract(toy: Resolve) -> None:
    by_name = toy(nodes=ELSEWHERE, settings={"ECHO_SERVER": "192.0.2.9"}).by_name
    assert by_name["toytest-two-late"].values == {"ECHO_SERVER": "192.0.2.9"}
    assert toy().by_name["toytest-two-late"].values == {"ECHO_SERVER": "172.31.96.10"}


def test_private_variables_are_given_only_to_those_that_ask(toy: Resolve) -> None:
    by_name = toy().by_name
    assert set(by_name["toytest-one-echo"].secrets) == {"TOKEN"}
    assert set(by_name["toytest-one-set-up"].secrets) == {"TOKEN", "WORDS"}


def test_what_is_collected_is_what_services_declare(toy: Resolve) -> None:
    secrets = toy().by_name["toytest-one-set-up"].secrets
    words = json.loads(secrets["WORDS"].reveal())
    assert words == [{"word": 'it\'s $HOME "quoted"', "secret": secrets["TOKEN"].reveal()}]


def test_waits_are_traced_to_who_provides(toy: Resolve, demo: ResolvedSite) -> None:
    (wait,) = toy().by_name["toytest-two-late"].waits
    assert (wait.name, wait.providers) == ("echo", ("toytest-one-echo",))
    waits = demo.by_name["demo-controller-keystone"].waits
    assert {name for wait in waits for name in wait.providers} == {"demo-controller-keystone-bootstrap"}


def test_a_file_is_waited_for_on_the_own_node(demo: ResolvedSite) -> None:
    waits = {wait.name: wait.providers for wait in demo.by_name["demo-compute2-nova-compute"].waits}
    assert waits["libvirt"] == ("demo-compute2-libvirt",)


def test_the_order_respects_what_waits_for_what(demo: ResolvedSite) -> None:
    order = [each.full_name for each in demo.containers]
    for each in demo.containers:
        for wait in each.waits:
            for provider in wait.providers:
                assert order.index(provider) < order.index(each.full_name)


def test_cgroups_and_devices_are_those_of_the_host(toy: Resolve) -> None:
    late = toy().by_name["toytest-two-late"]
    assert [(mount.source, mount.path) for mount in late.mounts] == [
        ("/sys/fs/cgroup/cpuset/stackyard/toytest-two", "/sys/fs/cgroup/cpuset"),
        ("/sys/fs/cgroup/memory/stackyard/toytest-two", "/sys/fs/cgroup/memory"),
    ]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ECHO_PORT": "99999"}, ["settings.ECHO_PORT", "99999"]),
        ({"MODE": "god"}, ["settings.MODE", "did you mean good?"]),
        ({"ECHO_PORT": "x", "MODE": "x"}, ["2 problems", "settings.ECHO_PORT", "settings.MODE"]),
    ],
)
def test_a_broken_contract_is_bad_input(toy: Resolve, variables: dict[str, str], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        toy(settings=variables)
    assert [word for word in words if word not in caught.value.message] == []


def test_a_missing_required_variable_is_told_once_with_who_wants_it(tmp_path: Path) -> None:
    root = Path(shutil.copytree(TOY, tmp_path / "catalogue"))
    file = root / "toy" / "echo" / "service.yaml"
    added = "NEEDED: {type: host, required: true, help: A host., example: 192.0.2.10}"
    file.write_text(file.read_text().replace("    contract:\n", f"    contract:\n      {added}\n", 1))
    with pytest.raises(InputError) as caught:
        resolved("toy", root)
    assert caught.value.message == (
        "settings.NEEDED: is required and not given: A host. (for example 192.0.2.10); for echo on one, set-up on one"
    )
    assert "settings" in caught.value.hint


def test_a_value_that_a_file_cannot_hold_is_bad_input(tmp_path: Path) -> None:
    root = Path(shutil.copytree(TOY, tmp_path / "catalogue"))
    file = root / "toy" / "echo" / "service.yaml"
    added = "    templates: {/etc/said: {source: said.j2}}\n    command:"
    file.write_text(file.read_text().replace("    command:", added, 1))
    (file.parent / "said.j2").write_text("{{ GREETING }}\n")
    assert resolved("toy", root, settings={"GREETING": "hello"})
    with pytest.raises(InputError) as caught:
        resolved("toy", root, settings={"GREETING": "hello you"})
    assert caught.value.message == (
        "settings.GREETING: has characters in it that the file cannot hold: it takes letters, digits and "
        "_.:/@+,%=*[]-, since the catalogue does not say its format; "
        "it cannot be written to /etc/said (template said.j2, line 1)"
    )
    (file.parent / "said.j2").write_text("{{ GREETNG }}\n")
    with pytest.raises(InputError, match=r"cannot render /etc/said: template said\.j2, line 1: 'GREETNG' is undefined"):
        resolved("toy", root, settings={"GREETING": "hello you"})


def test_an_offset_beyond_all_ports(toy: Resolve) -> None:
    with pytest.raises(InputError) as caught:
        toy(publish={"offset": 60000})
    assert caught.value.message.startswith("publish.offset: 60000 is too much: 7000, the port of echo")
    assert caught.value.hint == "choose one of at most 58535"


def test_a_container_that_nobody_runs_is_told(toy: Resolve) -> None:
    with pytest.raises(InputError, match="no node of the site runs the container echo"):
        toy(nodes=ELSEWHERE)


hosts = st.none() | st.integers(2, 60)


kept_addresses = st.dictionaries(
    st.sampled_from([f"n{index}" for index in range(30)]),
    st.tuples(st.integers(2, 60).map("10.1.0.{}".format), st.integers(2, 60).map("10.2.0.{}".format)),
)


@given(
    st.lists(st.tuples(hosts, hosts), min_size=1, max_size=30, unique_by=lambda pair: pair[0] or object()),
    kept_addresses.filter(lambda kept: all(len(set(each)) == len(kept) for each in zip(*kept.values(), strict=True))),
)
@settings(max_examples=60, deadline=None)
def test_every_node_has_addresses_of_its_own(
    wanted: list[tuple[int | None, int | None]], kept: dict[str, tuple[str, str]]
) -> None:
    networks = Networks.model_validate({"management": "10.1.0.0/26", "tunnel": "10.2.0.0/26"})
    seen: set[int] = set()
    nodes = {}
    for index, (management, tunnel) in enumerate(wanted):
        unique = None if tunnel in seen else tunnel
        seen.add(tunnel or 0)
        nodes[f"n{index}"] = Node(
            roles=("compute",),
            management=ip_address(f"10.1.0.{management}") if management else None,
            tunnel=ip_address(f"10.2.0.{unique}") if unique else None,
        )
    site = Site(site="s", release="1", networks=networks, nodes=nodes)
    placed = addressed(load(TOY, "1", "plain"), site, kept)
    for kind, network in (("management", networks.management), ("tunnel", networks.tunnel)):
        addresses = [getattr(node, kind) for node in placed]
        assert len(set(addresses)) == len(addresses)
        assert all(address in network and address != network[1] for address in addresses)
        given_ = {name: getattr(node, kind) for name, node in nodes.items() if getattr(node, kind)}
        assert all(getattr(node, kind) == given_.get(node.name, getattr(node, kind)) for node in placed)
        had = {name: ip_address(each[kind == "tunnel"]) for name, each in kept.items() if name in nodes}
        free = {name: each for name, each in had.items() if name not in given_ and each not in given_.values()}
        assert all(getattr(node, kind) == free.get(node.name, getattr(node, kind)) for node in placed)
