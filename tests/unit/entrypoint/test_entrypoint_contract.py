"""Reading and validating an environment."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackyard.entrypoint.contract import Outcome, masked, read_environment, secrets
from stackyard.entrypoint.suggest import closest, distance
from stackyard.entrypoint.values import parse

VALID: list[tuple[str, str, Any]] = [
    ("str", "RegionOne and more", "RegionOne and more"),
    ("name", "nova_cell1.v-2", "nova_cell1.v-2"),
    ("host", "192.168.0.1", "192.168.0.1"),
    ("host", "2001:db8::1", "2001:db8::1"),
    ("host", "keystone.example.org", "keystone.example.org"),
    ("host", "my_container", "my_container"),
    ("host", "5b3s18", "5b3s18"),
    ("address", "10.0.0.255", "10.0.0.255"),
    ("address", "::1", "::1"),
    ("addresses", "10.0.0.1, ::1", ["10.0.0.1", "::1"]),
    ("cidr", "192.168.0.0/24", "192.168.0.0/24"),
    ("cidr", "2001:db8::/64", "2001:db8::/64"),
    ("port", "65535", 65535),
    ("int", "-3", -3),
    ("bool", "Yes", True),
    ("bool", "1", True),
    ("bool", "on", True),
    ("bool", "off", False),
    ("bool", "0", False),
    ("url", "http://192.0.2.1:5000/v3", "http://192.0.2.1:5000/v3"),
    ("url", "rabbit://u:p@[::1]:5672/nova", "rabbit://u:p@[::1]:5672/nova"),
    ("url", "unix:///run/openvswitch/db.sock", "unix:///run/openvswitch/db.sock"),
    ("list", "a, b,,c", ["a", "b", "c"]),
    ("path", "/var/lib/nova", "/var/lib/nova"),
    ("secret", "any thing; at $all", "any thing; at $all"),
    ("json", '{"a": [1, true]}', {"a": [1, True]}),
]

INVALID: list[tuple[str, str, str]] = [
    ("str", "two\nlines", "one line"),
    ("name", "with space", "not a name"),
    ("host", "http://keystone", "host alone"),
    ("host", "keystone:5000", "keystone"),
    ("host", "[::1]", "::1"),
    ("host", "192.168.0.300", "not an IP address"),
    ("host", "10.0.0", "not an IP address"),
    ("host", "-x.org", "neither"),
    ("host", "a..b", "neither"),
    ("address", "keystone", "not an IP address"),
    ("addresses", "192.0.2.53,dns.example.org", "'dns.example.org' is not an IP address"),
    ("addresses", ",", "a list without items"),
    ("address", "010.0.0.1", "not an IP address"),
    ("cidr", "192.168.0.0", "not a network"),
    ("cidr", "192.168.0.7/24", "did you mean 192.168.0.0/24?"),
    ("cidr", "192.168.0.0/33", "not a network"),
    ("port", "0", "1 to 65535"),
    ("port", "65536", "1 to 65535"),
    ("port", "http", "1 to 65535"),
    ("port", "٣", "1 to 65535"),
    ("int", "1.5", "whole number"),
    ("bool", "maybe", "neither true nor false"),
    ("url", "192.0.2.1:5000", "not a URL"),
    ("url", "http://", "not a URL"),
    ("list", ",", "without items"),
    ("path", "var/lib", "start with /"),
    ("secret", "a\nb", "line break"),
    ("json", "{", "not JSON"),
]


def read(contract: dict[str, dict[str, Any]], env: dict[str, str], files: dict[str, str] | None = None, **more: Any):
    def read_file(path: str) -> str:
        if path not in (files or {}):
            raise FileNotFoundError(2, "No such file or directory", path)
        return (files or {})[path]

    return read_environment(contract, env, read_file, **more)


def problems(outcome: Outcome) -> dict[str, str]:
    return {problem.variable: problem.text for problem in outcome.errors}


@pytest.mark.parametrize(("kind", "text", "value"), VALID)
def test_a_valid_text_becomes_a_value(kind, text, value):
    outcome = read({"X": {"type": kind}}, {"X": text})
    assert (outcome.errors, outcome.values) == ((), {"X": value})


@pytest.mark.parametrize(("kind", "text", "said"), INVALID)
def test_an_invalid_text_is_refused_with_the_remedy(kind, text, said):
    outcome = read({"X": {"type": kind}}, {"X": text})
    assert said in problems(outcome)["X"]
    assert outcome.values == {"X": None}


def test_enum_says_what_is_allowed_and_what_was_meant():
    contract = {"VIRT": {"type": "enum", "values": ["kvm", "qemu"]}}
    assert read(contract, {"VIRT": "kvm"}).values == {"VIRT": "kvm"}
    text = problems(read(contract, {"VIRT": "qemuu"}))["VIRT"]
    assert "kvm, qemu" in text
    assert "did you mean qemu?" in text


def test_all_problems_are_reported_at_once_in_the_order_of_the_contract():
    contract = {
        "B_SERVER": {"type": "host", "required": True, "help": "Where B is."},
        "A_PORT": {"type": "port"},
        "C_FILEISH": {"type": "secret", "required": True, "help": "C."},
        "D_NAME": {},
    }
    outcome = read(contract, {"A_PORT": "x", "D_NAEM": "1", "C_FILEISH_FILE": "/nowhere"})
    assert [problem.variable for problem in outcome.errors] == ["B_SERVER", "A_PORT", "C_FILEISH", "D_NAEM"]


def test_a_missing_variable_says_its_help_and_how_to_give_it():
    contract = {
        "S": {"type": "secret", "required": True, "help": "The secret."},
        "H": {"type": "host", "required": True, "help": "The host.", "example": "192.0.2.1"},
    }
    found = problems(read(contract, {}))
    assert "The secret." in found["S"]
    assert "S_FILE" in found["S"]
    assert "192.0.2.1" in found["H"]


def test_an_empty_variable_counts_as_not_given():
    contract = {"A": {"type": "int", "default": 3}, "B": {"required": True, "help": "B."}}
    outcome = read(contract, {"A": "", "B": ""})
    assert outcome.values["A"] == 3
    assert "empty" in problems(outcome)["B"]


def test_the_file_variant_drops_the_trailing_newline():
    outcome = read({"P": {"type": "secret"}}, {"P_FILE": "/s"}, {"/s": " hush \n"})
    assert (outcome.values, outcome.errors, outcome.notes) == ({"P": " hush "}, (), ())


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"P": "x", "P_FILE": "/s"}, "given twice"),
        ({"P_FILE": "/gone"}, "No such file"),
        ({"P_FILE": "/empty"}, "nothing in /empty"),
    ],
)
def test_the_file_variant_goes_wrong(env, said):
    assert said in problems(read({"P": {"type": "secret"}}, env, {"/s": "x", "/empty": "\n"}))["P"]


def test_a_secret_in_plain_view_is_warned_of_and_not_shown():
    outcome = read({"ADMIN_PASSWORD": {"type": "secret"}}, {"ADMIN_PASSWORD": "contrail123"})
    assert outcome.errors == ()
    assert "ADMIN_PASSWORD_FILE" in outcome.notes[0]
    assert "contrail123" not in outcome.notes[0]


def test_an_invalid_value_of_a_secret_variable_is_not_shown():
    contract = {"K": {"type": "port", "secret": "nova/k"}}
    assert "hush" not in problems(read(contract, {"K": "hush"}))["K"]
    assert "hush" not in problems(read({"U": {"type": "url"}}, {"U": "x y://u:hush@h"}))["U"]


def test_variables_of_others_and_of_the_system_are_accepted_in_silence():
    contract = {"HOST_IP": {"type": "address"}, "KEYSTONE_SERVER": {"type": "host"}}
    env = dict.fromkeys(["HOST_ID", "PATH", "LC_ALL", "http_proxy", "PYTHONPATH", "HOSTNAME", "FOO_BAR"], "x")
    env["KEYSTONE_SERVERS_FILE"] = "/x"
    assert read(contract, env, known={"HOST_ID", "KEYSTONE_SERVERS"}) == (
        {"HOST_IP": None, "KEYSTONE_SERVER": None},
        (),
        (),
    )


@pytest.mark.parametrize(
    ("slip", "right"),
    [
        ("KEYSTONE_SERVR", "KEYSTONE_SERVER"),
        ("KEYSTONE_SEVRER", "KEYSTONE_SERVER"),
        ("keystone_server", "KEYSTONE_SERVER"),
        ("KEYSTONE-SERVER", "KEYSTONE_SERVER"),
        ("SERVER_KEYSTONE", "KEYSTONE_SERVER"),
        ("KEYSTONESERVER", "KEYSTONE_SERVER"),
        ("RABBITMQ_SERVER", "RABBIT_SERVER"),
        ("HOST_PI", "HOST_IP"),
        ("ADMIN_PASWORD_FILE", "ADMIN_PASSWORD_FILE"),
    ],
)
def test_a_near_miss_is_an_error_with_the_right_name(slip, right):
    names = ["KEYSTONE_SERVER", "RABBIT_SERVER", "HOST_IP", "ADMIN_PASSWORD", "CINDER_SERVER"]
    found = problems(read({name: {} for name in names}, {slip: "x"}))
    assert f"did you mean {right}?" in found[slip]


def test_a_near_miss_of_a_required_variable_is_one_problem_not_two():
    found = problems(read({"KEYSTONE_SERVER": {"required": True}}, {"KEYSTONE_SERVR": "x"}))
    assert list(found) == ["KEYSTONE_SERVR"]
    assert "required" in found["KEYSTONE_SERVR"]


def test_a_removed_variable_is_a_note():
    outcome = read({"DISCOVERY_SERVICE": {}}, {"DISCOVERY_SERVER": "x"}, removed={"DISCOVERY_SERVER": "Gone."})
    assert (outcome.errors, outcome.notes) == ((), ("note: DISCOVERY_SERVER is removed: Gone.",))


@pytest.mark.parametrize(
    ("env", "value", "notes"),
    [
        ({"CIDR": "24"}, 24, ("note: CIDR is TUNNEL_PREFIX now",)),
        ({"CIDR": "24", "TUNNEL_PREFIX": "25"}, 25, ("note: CIDR is TUNNEL_PREFIX now",)),
        ({"CIDR_FILE": "/run/prefix"}, 26, ("note: CIDR_FILE is TUNNEL_PREFIX_FILE now",)),
        ({"TUNNEL_PREFIX": "25"}, 25, ()),
    ],
)
def test_an_earlier_name_still_works(env, value, notes):
    contract = {"TUNNEL_PREFIX": {"type": "int", "required": True, "aliases": ["CIDR"]}}
    outcome = read(contract, env, {"/run/prefix": "26"})
    assert (outcome.values, outcome.errors, outcome.notes) == ({"TUNNEL_PREFIX": value}, (), notes)


@pytest.mark.parametrize("name", ["OS_DEFAULT__DEBUG", "OS_OSLO_MESSAGING_RABBIT__SSL", "OS_NEUTRON_CONFIG_FILES"])
def test_overrides_of_oslo_are_accepted(name):
    assert read({}, {name: "x"}, overrides="oslo").errors == ()


@pytest.mark.parametrize(
    ("name", "right"), [("OS_default__debug", "OS_DEFAULT__DEBUG"), ("OS_DEFAULT__", "OS_<GROUP>")]
)
def test_a_malformed_override_is_an_error(name, right):
    assert right in problems(read({}, {name: "x"}, overrides="oslo"))[name]


@pytest.mark.parametrize("overrides", ["none", None])
def test_overrides_are_refused_where_there_are_none(overrides):
    env = {"OS_DEFAULT__DEBUG": "1", "OS_CLOUD": "x", "OS_A__B": "x"}
    assert list(problems(read({}, env, overrides=overrides, known={"OS_A__B"}))) == ["OS_DEFAULT__DEBUG"]


def test_defaults_are_values_of_their_type_and_may_refer_to_each_other():
    contract = {
        "URL": {"type": "url", "default": "http://{{ HOST | hostport(PORT) }}/"},
        "HOST": {"type": "host", "default": "{{ KEYSTONE_SERVER }}"},
        "PORT": {"type": "port", "default": 5000},
        "KEYSTONE_SERVER": {"type": "host"},
        "DEBUG": {"type": "bool", "default": False},
        "ZONES": {"type": "list", "default": "a,b"},
    }
    outcome = read(contract, {"KEYSTONE_SERVER": "::1"})
    assert outcome.errors == ()
    assert outcome.values == {
        "URL": "http://[::1]:5000/",
        "HOST": "::1",
        "PORT": 5000,
        "KEYSTONE_SERVER": "::1",
        "DEBUG": False,
        "ZONES": ["a", "b"],
    }


def test_a_default_of_something_not_given_is_none():
    contract = {"A": {}, "B": {"default": "{{ A }}"}, "C": {"default": "x{{ B | upper }}"}}
    assert read(contract, {}) == ({"A": None, "B": None, "C": None}, (), ())


def test_a_default_that_rests_on_a_problem_is_no_problem_of_its_own():
    contract = {"A": {"type": "host", "required": True}, "B": {"type": "host", "required": True, "default": "{{ A }}"}}
    assert list(problems(read(contract, {}))) == ["A"]
    assert list(problems(read(contract, {"A": "a:1"}))) == ["A"]


def test_a_cycle_of_defaults_is_named_and_a_given_value_breaks_it():
    contract = {"X": {"default": "{{ A }}"}, "A": {"default": "{{ B }}"}, "B": {"default": "{{ A }}1"}}
    found = problems(read(contract, {}))
    assert list(found) == ["A"]
    assert "A -> B -> A" in found["A"]
    assert read(contract, {"B": "b"}).values == {"X": "b", "A": "b", "B": "b"}


def test_masking_covers_secrets_urls_and_keys_of_json():
    contract = {"S": {"type": "secret"}, "U": {"type": "url"}, "J": {"type": "json"}, "N": {"type": "host"}}
    values = {
        "S": "hush1",
        "U": "rabbit://nova:hush2@h/",
        "J": [{"keystone": "k", "password": "hush3", "sub": {"access_key": ["hush4"]}}],
        "N": "h",
    }
    shown = masked(contract, values)
    assert "hush" not in str(shown)
    assert shown["N"] == "h"
    assert shown["J"][0]["keystone"] == "k"
    assert sorted(secrets(contract, values)) == ["hush1", "hush2", "hush3", "hush4"]


NAMES = st.from_regex(r"[A-Z]{2,8}(_[A-Z]{2,6}){0,2}", fullmatch=True)


@given(st.text(), st.sampled_from([case[0] for case in VALID]))
def test_law_a_parser_gives_a_value_or_a_phrase(text, kind):
    phrase = None
    try:
        parse(kind, text)
    except ValueError as error:
        phrase = str(error)
    assert phrase != ""


@given(st.dictionaries(NAMES, st.text(max_size=5)), st.dictionaries(NAMES, st.just({"type": "int"})))
def test_law_every_variable_of_the_contract_has_a_value_or_none(env, contract):
    outcome = read(contract, env)
    assert list(outcome.values) == list(contract)
    assert {problem.variable for problem in outcome.errors} <= {*env, *contract}
    assert read(contract, env) == outcome


@given(st.sets(NAMES, max_size=6), NAMES)
def test_law_a_name_of_the_contract_is_never_a_slip(names, name):
    assert read({key: {} for key in {*names, name}}, {name: "x"}).errors == ()


@given(st.text("ABC_", max_size=8), st.text("ABC_", max_size=8))
def test_law_distance_is_symmetric_and_zero_only_for_the_same(left, right):
    assert distance(left, right, 8) == distance(right, left, 8)
    assert (distance(left, right, 8) == 0) == (left == right)


def test_a_short_or_far_word_is_no_near_miss():
    assert closest("AB", ["AC"]) is None
    assert closest("GLANCE_SERVER", ["KEYSTONE_SERVER", "CINDER_SERVER"]) is None


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("192.0.2.20:6789", "192.0.2.20"),
        ("db.example.org:3306", "db.example.org"),
        ("[v2:192.0.2.20:3300,v1:192.0.2.20:6789]", "192.0.2.20"),
        ("v2:192.0.2.20:3300,192.0.2.21", "192.0.2.20"),
    ],
)
def test_a_host_with_a_port_is_refused_with_the_host_alone(text: str, host: str) -> None:
    with pytest.raises(ValueError, match=f"has a port in it: give the host alone, {host}$"):
        parse("hosts", text, ())
