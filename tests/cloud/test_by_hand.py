"""Images need no Stackyard: started by hand with the seed's variables, they explain, configure and run themselves."""

import json
import urllib.request
from collections.abc import Iterator

import pytest

from demo import BUILD_SECONDS, Site, engine
from stackyard.catalogue import catalogue_root, load, load_site, site_path
from tool import Outcome, Tool
from waiting import NotYet, wait_for

pytestmark = pytest.mark.cloud

NETWORK = "stackyard-by-hand"
SUBNET = "198.18.94.0/24"
DATABASE, KEYSTONE = "198.18.94.10", "198.18.94.11"
ADMIN_PASSWORD = "contrail123"  # noqa: S105 - the seed's own
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
ENVIRONMENT = f"""\
ADMIN_PASSWORD={ADMIN_PASSWORD}
ADMIN_TENANT=admin
ADMIN_TOKEN=contrail123
ADMIN_USER=admin
CASSANDRA_SERVER=192.0.2.1
KEYSTONE_SERVER={KEYSTONE}
MYSQL_SERVER={DATABASE}
RABBIT_SERVER=192.0.2.1
FERNET_KEY={KEY}
CREDENTIAL_KEY={KEY}
"""
"""As the seed's common.env, without what other nodes need; keys of tokens are newer than the seed."""

ACCOUNTS = json.dumps([{"name": "keystone", "user": "keystone", "password": ADMIN_PASSWORD}])
ENDPOINTS = json.dumps([{"service": "keystone", "type": "identity", "internal": f"http://{KEYSTONE}:5000/v3"}])


class Hand:
    """`docker run` as a person types it."""

    def __init__(self, env_file: str) -> None:
        found = load_site(site_path("demo"))
        self.prefix, self.tag = found.registry, found.release
        self.env_file = env_file

    def run(self, image: str, *arguments: str, options: tuple[str, ...] = (), check: bool = True) -> Outcome:
        """Run a container to its end, or with --detach start it."""
        name = f"{self.prefix}/{image}:{self.tag}"
        return engine("run", "--label", NETWORK, *options, name, *arguments, check=check)

    def joined(self, address: str, *more: str) -> tuple[str, ...]:
        """Options of a container with the address on the network and the seed's variables."""
        return ("--network", NETWORK, "--ip", address, "--env-file", self.env_file, "-e", f"HOST_IP={address}", *more)


def clear() -> None:
    """Remove what a run has made."""
    if ids := engine("ps", "--all", "--quiet", "--filter", f"label={NETWORK}").stdout.split():
        engine("rm", "--force", "--volumes", *ids)
    engine("volume", "rm", "--force", NETWORK)
    engine("network", "rm", NETWORK, check=False)


@pytest.fixture(scope="module")
def hand(fresh_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hand]:  # noqa: ARG001 - its images
    file = tmp_path_factory.mktemp("by-hand") / "common.env"
    file.write_text(ENVIRONMENT, encoding="utf-8")
    clear()
    engine("network", "create", "--subnet", SUBNET, NETWORK)
    yield Hand(str(file))
    clear()


def test_everything_that_is_missing_is_told_at_once(hand):
    refused = hand.run("keystone", options=("--rm", "-e", f"MYSQL_SERVR={DATABASE}"), check=False)
    assert refused.code == 2, str(refused)
    said = " ".join(refused.stderr.split())
    for name in ("HOST_IP", "DATABASE_PASSWORD", "FERNET_KEY", "CREDENTIAL_KEY"):
        assert f"{name} is required and not given" in said
    assert "MYSQL_SERVR is unknown: did you mean MYSQL_SERVER, which is required?" in said


def test_an_image_explains_itself(hand):
    told = hand.run("nova-api", "explain", "--output", "json", options=("--rm",)).json
    assert {"KEYSTONE_SERVER", "MYSQL_SERVER", "RABBIT_SERVER", "HOST_IP"} <= {
        each["name"] for each in told["variables"]
    }
    assert "KEYSTONE_SERVER" in hand.run("nova-api", "explain", "KEYSTONE_SERVER", options=("--rm",)).stdout


def test_configuration_is_shown_without_its_secrets(hand):
    shown = hand.run("keystone", "config", "/etc/keystone/keystone.conf", options=("--rm", *hand.joined(KEYSTONE)))
    assert f"@{DATABASE}:3306/keystone" in shown.stdout
    assert ADMIN_PASSWORD not in shown.stdout
    assert "ADMIN_TOKEN is removed" in shown.stderr


def token() -> int:
    """Ask Keystone for a token as the administrator; its status."""
    user = {"name": "admin", "domain": {"id": "default"}, "password": ADMIN_PASSWORD}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = json.dumps({"auth": {"identity": identity, "scope": scope}}).encode()
    request = urllib.request.Request(
        f"http://{KEYSTONE}:5000/v3/auth/tokens", body, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return int(answer.status)
    except OSError as error:
        raise NotYet(str(error)) from error


def test_keystone_runs_with_the_seeds_environment(hand):
    socket = ("--volume", f"{NETWORK}:/run/mysqld")
    hand.run("mariadb", options=("--detach", *hand.joined(DATABASE, *socket)))
    given = ("-e", f"DATABASE_ACCOUNTS={ACCOUNTS}")
    hand.run("mariadb", "bootstrap", options=("--rm", *hand.joined("198.18.94.12", *socket, *given)))
    keystone = hand.run("keystone", options=("--detach", *hand.joined(KEYSTONE))).stdout.strip()
    endpoints = ("-e", f"IDENTITY_ACCOUNTS={ENDPOINTS}")
    for _ in range(2):
        hand.run("keystone", "bootstrap", options=("--rm", *hand.joined("198.18.94.12", *endpoints)))
    assert wait_for("a token", token, 60) == 201

    before = engine("exec", keystone, "cat", "/etc/keystone/keystone.conf").stdout
    engine("restart", keystone)
    assert wait_for("a token after a restart", token, 60) == 201
    assert engine("exec", keystone, "cat", "/etc/keystone/keystone.conf").stdout == before


def test_the_first_process_passes_signals_and_reaps(hand):
    orphans = (
        "import os,time\nfor _ in range(5):\n  if not os.fork():\n    os.fork() or time.sleep(0.2)\n    os._exit(0)"
    )
    shell = f'/usr/bin/python3 -c "{orphans}"; sleep 1; exec sleep 600'
    made = hand.run("memcached", "sh", "-c", shell, options=("--detach", *hand.joined("198.18.94.13")))
    name = made.stdout.strip()

    def alone() -> list[str]:
        found = engine("top", name, "-eo", "pid,stat,args").stdout.splitlines()[1:]
        if not any(line.split()[2:] == ["sleep", "600"] for line in found):  # tini's and sh's arguments have it, too
            raise NotYet(str(found))
        return found

    found = wait_for("the last process", alone, 30)
    assert len(found) == 2, found  # tini and the process
    assert not [line for line in found if line.split()[1].startswith("Z")]
    engine("stop", "--time", "60", name)
    code = engine("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip()
    assert code == "143", "137 is that of a process that had to be killed"


ODD = "P\"a'$$w0rd`\\$x #;%(y)s%d={{ x }}."
"""What each format would take for something else. A blank at an end would be refused, outside of a file."""

SIGN_IN = """\
import sys
sys.path.append("/opt/stackyard/lib")
import pymysql
host, user, password, database = sys.argv[1:]
with pymysql.connect(host=host, user=user, password=password, database=database) as connection:
    connection.cursor().execute("CREATE TABLE t (a INT)")
"""


def test_a_database_and_its_clients_take_a_password_with_all_characters(hand):
    """Also a name and a user; the clients are the migrations of all services, which read it from their files."""
    address, site = "198.18.94.20", load_site(site_path("demo"))
    catalogue = load(catalogue_root(), site.release, site.sdn)
    databases = [each for service in catalogue.services.values() for each in service.declares.get("database", ())]
    odd = {"name": "odd_`%\\name", "user": "it's"}
    accounts = json.dumps([{**each, "password": ODD} for each in (*databases, odd)])
    server = hand.run("mariadb", options=("--detach", *hand.joined(address))).stdout.strip()
    engine("exec", "-e", f"DATABASE_ACCOUNTS={accounts}", server, "/opt/stackyard/bin/entrypoint", "bootstrap")
    engine("exec", server, "/usr/bin/python3", "-c", SIGN_IN, address, odd["user"], ODD, odd["name"])

    steps = [(image, step) for image in catalogue.images for step in catalogue.effective(image).bootstrap if step.bake]
    variables = (f"MYSQL_SERVER={address}", f"DATABASE_PASSWORD={ODD}", "OVN_NB_SERVER=h", "OVN_SB_SERVER=h")
    given = hand.joined("198.18.94.21", *(word for variable in variables for word in ("-e", variable)))
    assert len(steps) > 3
    # The demo has not all of them.
    names = [word for image in dict(steps) for word in ("-c", image)]
    Tool()("build", "--site", "full", *names, timeout=BUILD_SECONDS)
    for image, step in steps:
        for command in step.run:
            options = ("--rm", "--label", NETWORK, "--workdir", "/opt/stackyard/container", *given)
            engine("run", *options, catalogue.reference(image, hand.prefix), *command, timeout=600)


def test_the_broker_takes_a_password_with_all_characters(hand):
    accounts = json.dumps([{"vhost": "odd", "user": "it's", "password": ODD}])
    options = ("--detach", *hand.joined("198.18.94.22", "-e", f"RABBIT_ACCOUNTS={accounts}", "-e", "PROBE_PASSWORD=x"))
    name = hand.run("rabbitmq", options=options).stdout.strip()

    def signed_in() -> None:
        told = engine("exec", name, "rabbitmqctl", "authenticate_user", "--", "it's", ODD, check=False)
        if told.code:
            raise NotYet(str(told))

    wait_for("the broker to take the password", signed_in, 60)
