"""Environments of others are understood by the images of today: the seed's, OpenSDN's, Kolla's, a platform's."""

import pytest

from stackyard.catalogue import catalogue_root, load
from stackyard.catalogue.container import container_json
from stackyard.entrypoint.container import Container
from stackyard.entrypoint.contract import Outcome, read_environment
from stackyard.entrypoint.explain import as_text
from stackyard.entrypoint.failure import Failure
from stackyard.entrypoint.session import read

SEED = """\
ADMIN_PASSWORD=contrail123
ADMIN_TENANT=admin
ADMIN_TOKEN=contrail123
ADMIN_USER=admin
ANALYTICS_API_SERVER=192.168.0.1
CASSANDRA_SERVER=192.168.0.1
CIDR=24
CINDER_SERVER=192.168.0.1
CONFIG_API_SERVER=192.168.0.1
DISCOVERY_SERVER=192.168.0.1
GATEWAY_IP=192.168.0.1
GLANCE_SERVER=192.168.0.1
HOST_IP=192.168.0.14
IFMAP_SERVER=192.168.0.1
KEYSTONE_SERVER=192.168.0.1
MEMCACHED_SERVER=192.168.0.1
MYSQL_SERVER=192.168.0.1
NEUTRON_SERVER=192.168.0.1
NOVA_SERVER=192.168.0.1
PHYSICAL_INTERFACE=eth0
RABBIT_SERVER=192.168.0.1
REDIS_SERVER=192.168.0.1
VNC_PROXY=192.168.0.14
ZOOKEEPER_SERVER=192.168.0.1
"""


def parsed(text: str) -> dict[str, str]:
    """A file as `docker run --env-file` reads it: blanks and quotes are kept."""
    return dict(line.split("=", 1) for line in text.splitlines())


ENVIRONMENT = parsed(SEED)
SEED_2016 = parsed("""\
ADMIN_PASSWORD=example
ADMIN_TENANT=admin
ADMIN_TOKEN=example
ADMIN_USER=admin
CIDR=24
CINDER_SERVER=cinder
DEBUG=true
GLANCE_API_SERVER=glance
GLANCE_REGISTRY_SERVER=glance
HOST_IP=192.0.2.10
IFMAP_USER=one,two
KEYSTONE_SERVER=keystone
MEMCACHED_SERVER=memcached
MYSQL_ROOT_PASSWORD=example
MYSQL_SERVER=mariadb
NEUTRON_SERVER=neutron-server
NOVA_API_SERVER=nova
OS_TOKEN=example
OS_URL=http://keystone:35357/v2.0
RABBIT_SERVER=rabbitmq
VNC_PROXY=nova
""")
OPENSDN = parsed("""\
CONTROLLER_NODES=192.0.2.18
CLOUD_ORCHESTRATOR=openstack
KEYSTONE_AUTH_HOST=192.0.2.15
KEYSTONE_AUTH_URL_VERSION=/v3
KEYSTONE_AUTH_ADMIN_PASSWORD=example
RABBITMQ_NODE_PORT=5673
RABBITMQ_USER=guest
RABBITMQ_PASSWORD=guest
RABBITMQ_VHOST=/
RABBITMQ_USE_SSL=false
LOG_LEVEL=SYS_DEBUG
JVM_EXTRA_OPTS=-Xms1g -Xmx1g
PHYSICAL_INTERFACE=eth1
VROUTER_GATEWAY=198.51.100.1
CONFIG_DATABASE_NODEMGR__DEFAULTS__minimum_diskGB=1
""")
KOLLA = parsed("""\
KOLLA_CONFIG_STRATEGY=COPY_ALWAYS
KOLLA_SERVICE_NAME=nova-api
RABBITMQ_CLUSTER_COOKIE=example
RABBITMQ_LOG_DIR=/var/log/kolla/rabbitmq
DB_MAX_TIMEOUT=60
DB_ROOT_PASSWORD=example
ENABLE_HEAT=yes
OVN_NB_DB=tcp:192.0.2.10:6641
OVN_SB_DB=tcp:192.0.2.10:6642
""")
QUOTED = parsed("""\
KEYSTONE_PASSWORD="kspw"
DATABASE_PASSWORD=dbpw\u0020
KEYSTONE_SERVER=192.0.2.10
MYSQL_SERVER=192.0.2.10
HOST_IP=192.0.2.10
""")
ENOUGH = parsed("""\
HOST_IP=192.0.2.10
MYSQL_SERVER=192.0.2.10
KEYSTONE_SERVER=192.0.2.10
RABBIT_SERVER=192.0.2.10
DATABASE_PASSWORD=dbpw
KEYSTONE_PASSWORD=kspw
RABBIT_PASSWORD=rpw
""")


CATALOGUE = load(catalogue_root(), "2026.2", "ovn")
CONTAINERS = {image: Container(container_json(CATALOGUE, image), "") for image in CATALOGUE.images}
FOREIGN = sorted({name for each in CATALOGUE.foreign.environments.values() for name in each.names})


def told(outcome: Outcome) -> str:
    """All that is said of an environment, but warnings of secrets in plain view."""
    return "\n".join([*(problem.text for problem in outcome.errors), *notes(outcome)])


def notes(outcome: Outcome) -> list[str]:
    return [note for note in outcome.notes if note.startswith("note: ")]


@pytest.mark.parametrize("image", ["glance-api", "nova-api", "nova-conductor", "nova-scheduler", "nova-novncproxy"])
def test_the_seeds_environment_is_enough(image):
    outcome = read(CONTAINERS[image], ENVIRONMENT)
    assert not outcome.errors
    assert outcome.values["KEYSTONE_PASSWORD"] == outcome.values["DATABASE_PASSWORD"] == ENVIRONMENT["ADMIN_PASSWORD"]
    assert any("ADMIN_PASSWORD_FILE" in note for note in outcome.notes)


def test_what_went_away_is_named():
    assert any("VNC_PROXY" in note and "HOST_IP" in note for note in read(CONTAINERS["nova-api"], ENVIRONMENT).notes)


@pytest.mark.parametrize("image", CONTAINERS)
def test_of_the_seeds_later_environment_nothing_is_wrong_but_what_is_newer_than_it(image):
    outcome = read(CONTAINERS[image], SEED_2016)
    assert all(problem.text.startswith("is required and not given") for problem in outcome.errors)
    assert not {problem.variable for problem in outcome.errors} & SEED_2016.keys()


@pytest.mark.parametrize(
    ("image", "name", "became"),
    [
        ("nova-api", "DEBUG", "LOG_LEVEL=debug"),
        ("mariadb", "DEBUG", "LOG_LEVEL=debug"),
        ("nova-api", "NOVA_API_SERVER", "Keystone's catalogue"),
        ("neutron-ovn-agent", "NOVA_API_SERVER", "is NOVA_SERVER now"),
        ("nova-api", "GLANCE_API_SERVER", "Keystone's catalogue"),
        ("mariadb", "MYSQL_ROOT_PASSWORD", "root has no password"),
        ("glance-api", "MYSQL_ROOT_PASSWORD", "mariadb-bootstrap"),
        ("neutron-server", "OS_TOKEN", "keystone-bootstrap"),
        ("neutron-server", "OS_URL", "keystone-bootstrap"),
        ("keystone", "OS_TOKEN", "`bootstrap` needs none"),
    ],
)
def test_what_did_something_in_the_seed_gets_a_note_of_what_became_of_it(image, name, became):
    assert any(name in note and became in note for note in notes(read(CONTAINERS[image], SEED_2016)))


def test_opensdns_environment_is_passed_over():
    outcome = read(CONTAINERS["nova-api"], {**ENOUGH, **OPENSDN})
    assert outcome.errors == ()
    assert outcome.values == read(CONTAINERS["nova-api"], ENOUGH).values
    assert notes(outcome) == ["note: LOG_LEVEL counts as not given: SYS_DEBUG is a value of OpenSDN"]


@pytest.mark.parametrize("image", CONTAINERS)
def test_what_is_missing_is_not_found_in_environments_of_others(image):
    assert "did you mean" not in told(read(CONTAINERS[image], {**OPENSDN, **KOLLA}))


def test_kollas_environment_passes_in_silence():
    assert read(CONTAINERS["nova-api"], {**ENOUGH, **KOLLA}) == read(CONTAINERS["nova-api"], ENOUGH)


def test_what_docker_keeps_of_a_file_is_named_for_all_variables_at_once():
    wrong = {problem.variable: problem.text for problem in read(CONTAINERS["glance-api"], QUOTED).errors}
    assert list(wrong) == ["DATABASE_PASSWORD", "KEYSTONE_PASSWORD"]
    assert wrong["KEYSTONE_PASSWORD"].startswith("has quotes around it; docker run --env-file keeps them")
    assert wrong["DATABASE_PASSWORD"].startswith("has blanks at its end; docker run --env-file keeps them")


@pytest.mark.parametrize("image", CONTAINERS)
def test_what_kubernetes_injects_for_every_service_of_a_cloud_does_no_harm(image):
    injected = {}
    for service in CATALOGUE.endpoints:
        name = service.upper().replace("-", "_")
        injected |= {f"{name}_SERVICE_HOST": "10.0.0.5", f"{name}_SERVICE_PORT": "80"}
        injected |= {f"{name}_PORT": "tcp://10.0.0.5:80", f"{name}_PORT_80_TCP_ADDR": "10.0.0.5"}
    for name in {name for each in CONTAINERS.values() for name in each.contract if name.endswith("_PORT")}:
        injected[name] = "tcp://10.0.0.5:80"
    alone, among = read(CONTAINERS[image], SEED_2016), read(CONTAINERS[image], {**SEED_2016, **injected})
    assert (among.errors, among.values) == (alone.errors, alone.values)


@pytest.mark.parametrize("name", FOREIGN)
def test_law_no_known_name_of_others_is_a_slip_of_ours(name):
    """Nor of a beginning: with any ending, such as those of our own variables."""
    endings = ["SERVER", "PORT", "PASSWORD", "USER", "X"] if name.endswith("*") else [""]
    for given in (name.removesuffix("*") + ending for ending in endings):
        for image, container in CONTAINERS.items():
            outcome = read(container, {given: "x"})
            assert "did you mean" not in told(outcome), image
            with pytest.raises(Failure) as caught:
                as_text(container, given)
            assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("image", CONTAINERS)
def test_a_variable_of_a_contract_is_not_called_somebody_elses(image):
    """Each name of a contract is read, whatever other systems call theirs."""
    container = CONTAINERS[image]
    names = dict.fromkeys(container.contract, "x")
    outcome = read_environment({name: {} for name in names}, names, environments=container.environments)
    assert outcome.values == names
