"""What the stand-ins' entrypoint makes of upstream's variables."""

from pathlib import Path

import pytest
from standin import entrypoint
from standin.program import read_settings


def image(name: str) -> dict:
    return entrypoint.TABLE["images"][name]


def values(**given: str) -> dict[str, str]:
    known = {"DEFAULT_LOCAL_IP": "192.0.2.9", "NODE_TYPE": "config", "SERVICE_NAME": "api", **given}
    return entrypoint.defaulted(entrypoint.TABLE["variables"], known)


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({}, "CONFIGDB_CQL_SERVERS", "192.0.2.9:9041"),
        ({}, "RABBITMQ_SERVERS", "192.0.2.9:5673"),
        ({"CONTROLLER_NODES": "192.0.2.1, 192.0.2.2"}, "ZOOKEEPER_SERVERS", "192.0.2.1:2181,192.0.2.2:2181"),
        ({"CONFIG_NODES": "192.0.2.3"}, "CONTROL_NODES", "192.0.2.3"),
        ({"CONFIG_NODES": "192.0.2.3"}, "ANALYTICS_NODES", "192.0.2.9"),
        ({"CONFIGDB_NODES": "192.0.2.4"}, "RABBITMQ_NODES", "192.0.2.4"),
        ({"ANALYTICS_ALARM_NODES": "192.0.2.5"}, "KAFKA_SERVERS", "192.0.2.5:9092"),
        ({"ANALYTICS_NODES": "192.0.2.5,192.0.2.6"}, "REDIS_SERVERS", "192.0.2.5:6379 192.0.2.6:6379"),
        ({"RABBITMQ_NODE_PORT": ""}, "RABBITMQ_NODE_PORT", "5673"),
        ({"CLOUD_ORCHESTRATOR": "openstack", "AUTH_MODE": "noauth"}, "AUTH_MODE", "keystone"),
        ({}, "KEYSTONE_AUTH_HOST", "127.0.0.1"),
        ({"CONTROLLER_NODES": "", "DEFAULT_LOCAL_IP": ""}, "CONFIGDB_CQL_SERVERS", ""),
    ],
)
def test_variables_cascade_as_upstreams(given: dict[str, str], name: str, value: str) -> None:
    assert values(**given)[name] == value


def written(name: str, **given: str) -> dict[str, str]:
    node = image(name)["node"].split(" ")
    known = {"NODE_TYPE": node[0], "SERVICE_NAME": node[1], "CONTROLLER_NODES": "192.0.2.1", **given}
    return entrypoint.files(image(name), entrypoint.settled(image(name), known))


def test_the_api_reads_what_its_entrypoint_wrote_and_what_the_operator_added(tmp_path: Path) -> None:
    login = {"API__CASSANDRA__cassandra_user": "contrail", "API__CASSANDRA__cassandra_password": "pass"}
    files = written("controller-config-api", CLOUD_ORCHESTRATOR="openstack", RABBITMQ_VHOST="contrail", **login)
    assert sorted(Path(path).name for path in files) == [
        "contrail-api-0.conf",
        "contrail-keystone-auth.conf",
        "vnc_api_lib.ini",
    ]
    paths = [str(tmp_path / Path(path).name) for path in files]
    for path, text in files.items():
        (tmp_path / Path(path).name).write_text(text)
    settings = read_settings("python", paths[:2])
    assert settings["DEFAULTS"]["rabbit_vhost"] == "contrail"
    assert settings["DEFAULTS"]["cassandra_server_list"] == "192.0.2.1:9041"
    assert settings["CASSANDRA"]["cassandra_user"] == "contrail"
    assert settings["CASSANDRA"]["cassandra_driver"] == "cql"
    assert settings["KEYSTONE"]["auth_url"] == "http://127.0.0.1:5000/v3"


def test_without_keystone_there_is_no_section_for_it() -> None:
    assert "/etc/contrail/contrail-keystone-auth.conf" not in written("controller-config-api")


def test_sections_and_keys_with_dashes_are_written_with_the_word(tmp_path: Path) -> None:
    given = {"VROUTER_AGENT__CONTROLDASHNODE__servers": "192.0.2.1:5269"}
    (tmp_path / "x").write_text(entrypoint.overrides("VROUTER_AGENT", given))
    assert read_settings("boost", [str(tmp_path / "x")]) == {"CONTROL-NODE": {"servers": "192.0.2.1:5269"}}


def test_a_program_in_c_takes_no_option_twice_and_cuts_at_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "control.conf"
    path.write_text("[CONFIGDB]\nrabbitmq_vhost=half#lost\n")
    assert read_settings("boost", [str(path)])["CONFIGDB"]["rabbitmq_vhost"] == "half"
    path.write_text("[DEFAULT]\nhostname=a\n[DEFAULT]\nhostname = a\n")
    with pytest.raises(SystemExit, match=r"'--DEFAULT\.hostname' cannot be specified more than once"):
        read_settings("boost", [str(path)])


def test_dnsmasq_ends_on_a_machine_that_is_in_no_list() -> None:
    with pytest.raises(SystemExit, match="Cannot find self ips"):
        written("controller-config-dnsmasq", CONTROLLER_NODES="192.0.2.1")


def test_the_agent_ends_without_its_interface() -> None:
    with pytest.raises(SystemExit, match="phys_int='nothing0'"):
        written("vrouter-agent", PHYSICAL_INTERFACE="nothing0")


def test_cassandra_is_waited_for_thirty_times_and_then_not_any_more() -> None:
    slept: list[float] = []
    given = {"CONFIGDB_NODES": "127.0.0.1", "CONFIGDB_CQL_PORT": "1"}
    assert not entrypoint.wait_for_cassandra(given, slept.append)
    assert slept == [10] * 30
