"""OpenSDN's programs: the seed's containers, one language for the operator, and what the programs are given of it."""

import base64
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from resolved_sites import FACTS, counted
from stackyard.catalogue import catalogue_root, load, open_site
from stackyard.catalogue.container import container_json
from stackyard.entrypoint.container import Container
from stackyard.entrypoint.contract import Outcome, read_environment
from stackyard.entrypoint.explain import as_text
from stackyard.entrypoint.session import Session, read
from stackyard.errors import InputError
from stackyard.model.site import Site
from stackyard.plan.resolve import resolve
from stackyard.plan.resolved import ResolvedSite
from stackyard.secrets import generate

ROOT = catalogue_root()
OPENSDN = load(ROOT, "2026.2", "opencontrail")
OVN = load(ROOT, "2026.2", "ovn")
SEED = [
    "keystone", "rabbitmq", "redis", "memcached", "mariadb", "libvirt", "neutron-server", "horizon", "cinder-api",
    "cinder-scheduler", "nova-api", "nova-cert", "nova-compute", "nova-conductor", "nova-consoleauth",
    "nova-scheduler", "nova-novncproxy", "glance-registry", "glance-api", "cassandra", "zookeeper", "kafka",
    "config-api", "config-svc-monitor", "config-schema", "config-discovery", "config-device-manager",
    "analytics-api", "analytics-alarm", "analytics-snmp", "analytics-query", "analytics-collector",
    "analytics-topology", "control-control", "control-named", "control-dns", "webui-job", "webui-server", "ifmap",
    "vrouter-agent",
]  # fmt: skip
"""The containers of docker-opencontrail."""
PROGRAMS = sorted(
    name
    for service in ("config", "analytics", "control", "webui", "vrouter")
    for name in OPENSDN.services[service].images
)
OF_THE_IMAGE = {"NODE_TYPE": "config", "SERVICE_NAME": "api", "CONTRAIL_UID": "1999", "CONTRAIL_VERSION": "R25.1"}
"""What the published image itself sets."""
SECRETS = {
    "KEYSTONE_AUTH_ADMIN_PASSWORD": "kspw",
    "RABBITMQ_PASSWORD": "rpw",
    "CASSANDRA_PASSWORD": "cpw",
    "REDIS_SERVER_PASSWORD": "redispw",
    "METADATA_PROXY_SECRET": "mpw",
}
ENOUGH = {"CONTROLLER_NODES": "192.0.2.18", "KEYSTONE_AUTH_HOST": "192.0.2.15", **SECRETS}
SEED_2015 = {
    "ADMIN_PASSWORD": "example",
    "ADMIN_TENANT": "admin",
    "ADMIN_USER": "admin",
    "ANALYTICS_API_SERVER": "192.0.2.2",
    "ANALYTICS_SERVER": "192.0.2.2",
    "CASSANDRA_SERVER": "192.0.2.1",
    "COLLECTOR_SERVER": "192.0.2.2",
    "CONFIG_API_SERVER": "192.0.2.3",
    "CONTRAIL_DNS_SERVER": "192.0.2.4",
    "CONTROL_SERVER": "192.0.2.4",
    "DISCOVERY_SERVER": "192.0.2.3",
    "GATEWAY_IP": "192.0.2.254",
    "HOST_IP": "192.0.2.10",
    "IFMAP_SERVER": "192.0.2.3",
    "KEYSTONE_SERVER": "192.0.2.5",
    "PHYSICAL_INTERFACE": "eth0",
    "RABBIT_SERVER": "192.0.2.6",
    "REDIS_SERVER": "192.0.2.2",
    "WEBUI_JOB_SERVER": "192.0.2.7",
    "ZOOKEEPER_SERVER": "192.0.2.1",
    "NEUTRON_METADATA_SECRET": "mpw",
}
UPSTREAM = {
    "CONTROLLER_NODES": "192.0.2.18",
    "CLOUD_ORCHESTRATOR": "openstack",
    "AUTH_MODE": "keystone",
    "AAA_MODE": "rbac",
    "KEYSTONE_AUTH_HOST": "192.0.2.15",
    "KEYSTONE_AUTH_URL_VERSION": "/v3",
    "KEYSTONE_AUTH_ADMIN_PASSWORD": "example",
    "KEYSTONE_AUTH_INTERFACE": "internal",
    "RABBITMQ_NODE_PORT": "5673",
    "RABBITMQ_USER": "guest",
    "RABBITMQ_PASSWORD": "guest",
    "RABBITMQ_VHOST": "/",
    "RABBITMQ_USE_SSL": "false",
    "LOG_LEVEL": "SYS_DEBUG",
    "JVM_EXTRA_OPTS": "-Xms1g -Xmx1g",
    "PHYSICAL_INTERFACE": "eth1",
    "VROUTER_GATEWAY": "198.51.100.1",
    "CONFIG_DATABASE_NODEMGR__DEFAULTS__minimum_diskGB": "1",
}


def container(image: str) -> Container:
    return Container(container_json(OPENSDN, image), "")


def process(image: str, given: dict[str, str]) -> dict[str, str]:
    """What the process of an image is given; each value is accepted."""
    outcome = read(container(image), given)
    assert not outcome.errors
    return dict(Session(container(image), outcome.values, "").environment({**OF_THE_IMAGE, **given}))


def site(**changes: object) -> ResolvedSite:
    """A site with all controllers on one node."""
    text = {
        "site": "one",
        "release": "2026.2",
        "sdn": "opencontrail",
        "networks": {"management": "198.18.90.0/24", "tunnel": "198.18.91.0/24"},
        "sources": {"opensdn": {"images": "registry.example.org/opensdn", "tag": "R25.1"}},
        "nodes": {"n1": {"roles": ["controller"]}},
    }
    folder = Path(os.environ["PYTEST_TMP"])
    file = folder / "one.yaml"
    file.write_text(yaml.safe_dump({**text, **changes}), encoding="utf-8")
    made, catalogue = open_site(str(file))
    return resolve(catalogue, Site.model_validate(made.model_dump(mode="json")), FACTS, counted())


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_TMP", str(tmp_path))


# ---------------------------------------------------------------- the seed


def test_all_forty_containers_of_the_seed_are_answered():
    assert len(set(SEED)) == 40
    images = {*OPENSDN.images, *OVN.images}
    answers = {name: "image" if name in images else OVN.foreign.explained(name) for name in SEED}
    assert all(answers.values()), answers
    assert [name for name, answer in answers.items() if answer.startswith("gone since")] == [
        "nova-cert", "nova-consoleauth", "glance-registry", "config-discovery", "ifmap",
    ]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in SEED if name in PROGRAMS])
def test_the_seeds_labels_are_those_of_today(name):
    service, image = OPENSDN.image(name)
    group = {"vrouter": "compute"}.get(service.service, service.service)
    assert service.labels["net.juniper.contrail"] == group
    assert image.labels["net.juniper.node"] == ("compute" if group == "compute" else "controller")


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_labels_that_opensdns_status_reads_are_there(name):
    labels = OPENSDN.image(name)[1].labels
    assert {f"net.juniper.contrail.{each}" for each in ("pod", "service", "container.name")} <= labels.keys()
    assert (
        labels["net.juniper.contrail.container.name"].removeprefix("opensdn-") == OPENSDN.image(name)[1].published.name
    )


# ---------------------------------------------------------------- one language


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("config-api", {"CONFIGDB_NODES": "192.0.2.1", "ZOOKEEPER_NODES": "192.0.2.1", "RABBITMQ_NODES": "192.0.2.6"}),
        ("config-api", {"KEYSTONE_AUTH_HOST": "192.0.2.5", "KEYSTONE_AUTH_ADMIN_PASSWORD": "example"}),
        ("config-api", {"KEYSTONE_AUTH_ADMIN_USER": "admin", "KEYSTONE_AUTH_ADMIN_TENANT": "admin"}),
        ("config-api", {"CONFIG_NODES": "192.0.2.3", "ANALYTICS_NODES": "192.0.2.2"}),
        ("config-schema", {"SCHEMA__CASSANDRA__cassandra_password": "example"}),
        ("control-control", {"CONTROL_NODES": "192.0.2.4", "CONTROL__CONFIGDB__config_db_username": "opencontrail"}),
        ("webui-server", {"CONTROL_NODES": "192.0.2.4", "REDIS_SERVER_PASSWORD": "example"}),
        ("vrouter-agent", {"CONTROL_NODES": "192.0.2.4", "DNS_NODES": "192.0.2.4", "PHYSICAL_INTERFACE": "eth0"}),
        ("vrouter-agent", {"VROUTER_GATEWAY": "192.0.2.254", "METADATA_PROXY_SECRET": "mpw"}),
    ],
)
def test_the_seeds_environment_is_translated(image, expected):
    given = process(image, SEED_2015)
    assert {name: given.get(name) for name in expected} == expected


@pytest.mark.parametrize("image", PROGRAMS)
def test_the_seeds_environment_is_enough_for(image):
    assert not read(container(image), SEED_2015).errors


@pytest.mark.parametrize(
    ("image", "name", "became"),
    [
        ("config-api", "DISCOVERY_SERVER", "gone since OpenContrail 4"),
        ("control-control", "IFMAP_SERVER", "gone since OpenContrail 4"),
        ("analytics-api", "REDIS_SERVER", "of their own node"),
        ("webui-server", "WEBUI_JOB_SERVER", "of its own node"),
        ("config-api", "CONFIG_API_SERVER", "is CONFIG_NODES now"),
    ],
)
def test_what_became_of_a_variable_of_the_seed_is_told(image, name, became):
    assert any(name in note and became in note for note in read(container(image), SEED_2015).notes)


@pytest.mark.parametrize("image", PROGRAMS)
def test_an_environment_of_opensdn_is_understood_as_it_is(image):
    given = {**ENOUGH, **UPSTREAM}
    made = process(image, given)
    renamed = {"LOG_LEVEL": "SYS_DEBUG"}
    assert {name: made.get(name) for name in given} == {**given, **renamed}
    assert not [note for note in read(container(image), given).notes if note.startswith("note: ")]


def test_other_images_pass_over_what_is_opensdns():
    assert (
        "CONFIG_NODES" not in read_environment({}, UPSTREAM, environments=container("config-api").environments).values
    )
    nova = container("nova-conductor")
    assert "CONTROLLER_NODES" not in Session(nova, {}, "").environment(UPSTREAM)


def test_variables_that_only_opensdn_knows_reach_its_programs_and_those_of_others_do_not():
    made = process("config-api", {**ENOUGH, "CONFIG_API_WORKER_COUNT": "2", "KOLLA_SERVICE_NAME": "x"})
    assert made["CONFIG_API_WORKER_COUNT"] == "2"
    assert "KOLLA_SERVICE_NAME" not in made
    assert made["NODE_TYPE"] == "config"
    assert made["CONTRAIL_UID"] == made["CONTRAIL_GID"] == ""


@pytest.mark.parametrize(("said", "given"), [("debug", "SYS_DEBUG"), ("info", "SYS_INFO"), ("SYS_ERR", "SYS_ERR")])
def test_the_level_of_the_log_has_one_word_for_all(said, given):
    assert process("control-dns", {**ENOUGH, "LOG_LEVEL": said})["LOG_LEVEL"] == given


def test_both_names_are_explained():
    text = as_text(container("config-api"), "CONFIGDB_NODES")
    assert "earlier   CASSANDRA_SERVER" in text
    assert as_text(container("config-api"), "CASSANDRA_SERVER") == text
    assert "earlier: CASSANDRA_SERVER" in as_text(container("config-api"))


# ---------------------------------------------------------------- cascades


def cascade(given: dict[str, str]) -> Outcome:
    return read(container("webui-server"), {**ENOUGH, **given})


LISTS = [
    "CONFIG_NODES",
    "CONFIGDB_NODES",
    "ZOOKEEPER_NODES",
    "RABBITMQ_NODES",
    "CONTROL_NODES",
    "ANALYTICS_NODES",
    "WEBUI_NODES",
]


@pytest.mark.parametrize(
    ("given", "reached"),
    [
        ("CONTROLLER_NODES", LISTS),
        ("CONFIG_NODES", ["CONFIG_NODES", "CONFIGDB_NODES", "ZOOKEEPER_NODES", "RABBITMQ_NODES", "CONTROL_NODES"]),
        ("CONFIGDB_NODES", ["CONFIGDB_NODES", "ZOOKEEPER_NODES", "RABBITMQ_NODES"]),
        ("ANALYTICS_NODES", ["ANALYTICS_NODES"]),
        ("CONTROL_NODES", ["CONTROL_NODES"]),
    ],
)
def test_lists_default_in_opensdns_cascade(given, reached):
    nodes = "192.0.2.21,192.0.2.22,192.0.2.23"
    values = cascade({given: nodes}).values
    assert [name for name in LISTS if values[name] == nodes.split(",")] == reached


def test_analytics_and_name_servers_have_a_cascade_of_their_own():
    nodes = "192.0.2.21,192.0.2.22"
    assert process("analytics-query", {**ENOUGH, "ANALYTICS_NODES": nodes})["ANALYTICSDB_NODES"] == nodes
    assert process("vrouter-agent", {**ENOUGH, "CONTROL_NODES": nodes})["DNS_NODES"] == nodes
    assert process("analytics-alarm", {**ENOUGH, "ANALYTICS_NODES": nodes})["KAFKA_NODES"] == nodes


def test_a_list_that_nothing_gives_is_missing_by_name():
    given = {name: text for name, text in ENOUGH.items() if name != "CONTROLLER_NODES"}
    errors = read(container("config-api"), given).errors
    assert {each.variable for each in errors} == {"CONFIG_NODES", "ANALYTICS_NODES"}
    assert "by default made from CONTROLLER_NODES" in errors[0].text


# ---------------------------------------------------------------- in a site


def test_three_nodes_are_in_the_lists_of_all_and_each_control_node_has_its_name():
    more = {"roles": ["config", "control"]}
    made = site(nodes={"n1": {"roles": ["controller"]}, "n2": more, "n3": more})
    nodes = "198.18.90.10,198.18.90.11,198.18.90.12"
    controls = [each for each in made.containers if each.name == "control-control"]
    assert [each.values["CONTROL_HOSTNAME"] for each in controls] == ["n1", "n2", "n3"]
    for each in controls:
        assert {each.values[name] for name in ("CONFIG_NODES", "CONTROL_NODES", "CONTROLLER_NODES")} == {nodes}
    webui = made.by_name["one-n1-webui-server"]
    assert (webui.values["CONTROL_NODES"], webui.values["WEBUI_NODES"]) == (nodes, "198.18.90.10")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("RABBITMQ_NODE_PORT", "5673", "at port 5672"),
        ("CONFIGDB_CQL_PORT", "9042", "at port 9041"),
        ("CONTROL_NODES", "198.18.90.77", "198.18.90.10"),
        ("CONTROLLER_NODES", "198.18.90.10,198.18.90.77", "198.18.90.10"),
        ("CONFIG_NODES", "198.18.90.77", "198.18.90.10"),
        ("KEYSTONE_AUTH_HOST", "198.18.90.77", "198.18.90.10"),
        ("RABBITMQ_USER", "guest", "opencontrail"),
        ("SSL_ENABLE", "True", "is not allowed"),
        ("RABBITMQ_USE_SSL", "true", "is not allowed"),
    ],
)
def test_a_word_that_contradicts_the_site_is_refused(name, text, said):
    with pytest.raises(InputError) as caught:
        site(settings={name: text})
    assert f"settings.{name}" in str(caught.value.message)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("RABBITMQ_NODE_PORT", "5672"),
        ("CONTROLLER_NODES", "n1"),
        ("LOG_LEVEL", "debug"),
        ("AAA_MODE", "rbac"),
        ("CONFIG_API_WORKER_COUNT", "2"),
        ("XMPP_SERVER_PORT", "5270"),
    ],
)
def test_a_word_that_agrees_or_is_free_is_taken(name, text):
    assert site(settings={name: text})


def test_a_variable_of_opensdn_in_the_settings_is_given_to_its_programs_only():
    made = site(settings={"CONFIG_API_WORKER_COUNT": "2"})
    takers = {each.service for each in made.containers if "CONFIG_API_WORKER_COUNT" in each.values}
    assert takers == {"config", "control", "analytics", "webui"}


def test_what_neither_a_contract_nor_opensdn_knows_is_refused():
    with pytest.raises(InputError, match="no container knows the variable UNKNOWN_NODES"):
        site(settings={"UNKNOWN_NODES": "x"})
    with pytest.raises(InputError, match="nothing of control knows the variable UNKNOWN_NODES"):
        site(services={"control": {"environment": {"UNKNOWN_NODES": "x"}}})
    with pytest.raises(InputError, match="no container knows the variable BARBICAN_PASSWORD"):
        site(settings={"BARBICAN_PASSWORD": "x"})


def test_a_site_says_the_present_name():
    with pytest.raises(InputError) as caught:
        site(settings={"CASSANDRA_SERVER": "198.18.90.10"})
    assert caught.value.hint == "it is CONFIGDB_NODES now"
    with pytest.raises(InputError, match="nothing of webui knows the variable REDIS_SERVER"):
        site(services={"webui": {"environment": {"REDIS_SERVER": "198.18.90.10"}}})


def test_options_have_opensdns_own_form():
    made = site(containers={"config-api": {"options": {"DEFAULTS": {"list_optimization_enabled": "False"}}}})
    values = made.by_name["one-n1-config-api"].values
    assert values["API__DEFAULTS__list_optimization_enabled"] == "False"


def test_no_secret_is_among_what_docker_inspect_shows():
    for each in site().containers:
        if each.service in {"config", "analytics", "control", "webui"}:
            assert not [value for value in each.values.values() if "made-" in value]
            assert "made-" in "".join(secret.reveal() for secret in each.secrets.values())


def test_optional_analytics_switch_on_what_they_need():
    plain = site().by_name["one-n1-analytics-collector"].values
    assert (plain["ANALYTICS_ALARM_ENABLE"], plain["ANALYTICSDB_ENABLE"]) == ("False", "False")
    made = site(containers={"analytics-alarm": True, "analytics-query": True})
    collector = made.by_name["one-n1-analytics-collector"].values
    assert (collector["ANALYTICS_ALARM_ENABLE"], collector["ANALYTICSDB_ENABLE"]) == ("True", "True")
    assert (collector["ANALYTICSDB_NODES"], collector["ANALYTICSDB_CQL_PORT"]) == ("198.18.90.10", "9041")


def test_what_calls_its_own_nodes_redis_is_beside_it():
    first = ["common", "database", "config", "analytics", "control", "nova", "neutron", "glance"]
    with pytest.raises(InputError) as caught:
        site(nodes={"n1": {"roles": first}, "n2": {"roles": ["webui"]}})
    assert "nodes.n2: webui-server needs redis beside it, and n2 does not run it" in caught.value.message


def test_a_virtual_node_has_no_vrouter():
    with pytest.raises(InputError, match="vrouter-agent needs the network of a host"):
        site(nodes={"n1": {"roles": ["controller"]}, "c1": {"roles": ["compute"]}})


# ---------------------------------------------------------------- privileges, health, passwords


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name in OPENSDN.containers])
def test_none_is_privileged(name):
    made = OPENSDN.containers[name]
    service, image = OPENSDN.image(made.image)
    assert image.user == 1999 or made.why
    assert bool(made.capabilities) == (service.service == "vrouter" or name == "config-dnsmasq")
    assert not [each for each in made.volumes if each.host and "docker" in each.host]
    assert made.host_network == (service.service == "vrouter")


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name in OPENSDN.containers])
def test_volumes_belong_to_the_user_that_writes_them(name):
    """A new volume has the owner that its path has in the image."""
    service, image = OPENSDN.image(OPENSDN.containers[name].image)
    named = {each.path for each in OPENSDN.containers[name].volumes if each.name}
    assert service.uid(image) == 0 or named <= set(image.directories)
    mine = {each.name for each in OPENSDN.containers[name].volumes if each.path == "/var/log/contrail"}
    assert mine == {"vrouter-log" if service.service == "vrouter" else "opencontrail-log"}


STATUS = (
    "<NodeStatusUVEList><NodeStatusUVE><data><NodeStatus><process_status><list><ProcessStatus>"
    '<module_id type="string">contrail-api</module_id><state type="string" identifier="3">{}</state>'
    '<connection_infos><list><ConnectionInfo><status type="string">Up</status><description type="string">Established'
    '</description></ConnectionInfo></list></connection_infos><description type="string">{}</description>'
    "</ProcessStatus></list></process_status></NodeStatus></data></NodeStatusUVE></NodeStatusUVEList>"
)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if hasattr(OPENSDN.effective(name).health, "http")])
def test_health_is_what_introspect_says(name):
    health = OPENSDN.effective(name).health
    assert re.search(health.says, STATUS.format("Functional", ""))
    answer = STATUS.format("Non-Functional", "Database:Cassandra connection down")
    assert not re.search(health.says, answer)
    assert re.findall(health.reason, answer) == ["Database:Cassandra connection down"]


def test_each_program_is_asked_at_its_own_port():
    urls = [health.http for name in PROGRAMS if hasattr(health := OPENSDN.effective(name).health, "http")]
    assert len(set(urls)) == len(urls) == 13


def test_the_key_of_the_name_server_is_base64_and_one_for_both():
    for _ in range(20):
        given = {**ENOUGH, "RNDC_SECRET": generate("key")}
        dns, named = process("control-dns", given), process("control-named", given)
        assert dns["RNDC_KEY"] == named["RNDC_KEY"] == dns["DNS__DEFAULT__rndc_secret"]
        assert len(base64.b64decode(dns["RNDC_KEY"], validate=True)) == 32


def test_start_scripts_neither_show_files_with_passwords_nor_trace(tmp_path):
    script = tmp_path / "entrypoint.sh"
    script.write_text(
        "set -x\necho made | cat > out\ncat out\ncat /etc/contrail/config.global.js\n"
        "set -o posix\nset | grep -c ^LOG_LEVEL=\n"
    )
    env = {**process("webui-server", ENOUGH), "PATH": os.environ["PATH"]}
    done = subprocess.run(["bash", script], env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("made\n1\n", "")
