"""Ready means that it works: what a running process does not do is seen, named and, where that is possible, mended."""

from datetime import datetime

import pytest

from demo import engine
from waiting import NotYet, wait_for

pytestmark = pytest.mark.cloud

SQL = ("controller", "mariadb", "mariadb", "--defaults-file=/etc/mysql/my.cnf", "-e")
LIMIT = ("controller", "rabbitmq", "rabbitmqctl", "set_disk_free_limit")


def lacking(site) -> dict[str, str]:
    """What `status` says of those that are not ready."""
    rows = site.stackyard("status", "--output", "json", check=False).json
    return {f"{row['node']}/{row['container']}": row["lacks"] for row in rows if row["ready"] == "no"}


def test_a_broker_that_blocks_is_not_ready(site):
    try:
        site.inside(*LIMIT, "9999GB")
        wait_for("the alarm", lambda: lacking(site) or not_yet("no alarm"), 30)
        assert "RabbitMQ blocks whoever sends" in lacking(site)["controller/rabbitmq"]
        outcome = site.stackyard("up", "--deadline", "20", check=False)
        assert outcome.code == 1
        first = next(line for line in outcome.stderr.splitlines() if line.startswith("controller/"))
        assert "RabbitMQ blocks" in first, outcome.stderr
    finally:
        site.inside(*LIMIT, "200MB")
    site.up()
    assert lacking(site) == {}


def not_yet(seen: str) -> None:
    raise NotYet(seen)


def test_a_database_that_takes_no_write_is_not_ready(site):
    try:
        site.inside(*SQL, "SET GLOBAL read_only = 1")
        assert "it is read-only" in lacking(site)["controller/mariadb"]
        assert site.stackyard("up", "--deadline", "15", check=False).code == 1
    finally:
        site.inside(*SQL, "SET GLOBAL read_only = 0")
    site.up()
    assert lacking(site) == {}


def test_a_report_of_before_the_conductor_was_started_is_none(site):
    """nova-compute reports through nova-conductor: what it did before that ended shows nothing."""
    conductor = site.container("controller", "nova-conductor")
    engine("restart", conductor, site.container("controller", "rabbitmq"))
    site.up()
    form = "{{.State.StartedAt}}"
    started = datetime.fromisoformat(engine("inspect", "--format", form, conductor).stdout.strip()).timestamp()
    for node in ("compute1", "compute2"):
        written = site.inside(node, "nova-compute", "stat", "--format", "%.3Y", "/run/stackyard/reported").stdout
        assert float(written) > started


def test_a_host_that_nova_half_forgot_is_mapped_again(site):
    """Nova deletes a host in two databases; the scheduler does not look again for one that the first has lost."""
    site.inside(*SQL, "DELETE FROM nova_api.host_mappings WHERE host = 'compute2'")
    engine("start", "--attach", site.container("controller", "nova-zones"))
    mapped = site.inside(*SQL, "SELECT host FROM nova_api.host_mappings").stdout.split()
    assert "compute2" in mapped


def test_a_node_that_lost_its_identity_has_the_same_again(site):
    """nova-compute without its volume: Nova refuses a node that it does not know again."""
    identity = site.inside("compute2", "nova-compute", "cat", "/var/lib/nova/compute_id").stdout
    site.inside("compute2", "nova-compute", "rm", "/var/lib/nova/compute_id")
    engine("restart", site.container("compute2", "nova-compute"))
    site.up()
    assert site.inside("compute2", "nova-compute", "cat", "/var/lib/nova/compute_id").stdout == identity


def test_a_daemon_whose_start_fails_does_not_stay(site):
    """With an identity that is not the node's own Nova refuses to start, and its threads would keep the process."""
    name = site.container("compute2", "nova-compute")
    identity = site.inside("compute2", "nova-compute", "cat", "/var/lib/nova/compute_id").stdout
    write = ("compute2", "libvirt", "sh", "-c", 'printf %s "$1" >/var/lib/nova/compute_id', "sh")
    try:
        site.inside(*write, "00000000-0000-4000-8000-000000000000")
        engine("restart", name)

        def restarted() -> None:
            count = int(engine("inspect", "--format", "{{.RestartCount}}", name).stdout)
            if not count:
                raise NotYet("it has not ended")

        wait_for("nova-compute to end", restarted, 120)
        assert "compute2/nova-compute" in lacking(site)
    finally:
        site.inside(*write, identity)
    site.up()

    def well() -> None:
        if found := lacking(site):  # for ten seconds after it has begun again by itself it is not believed
            raise NotYet(str(found))

    wait_for("all to be ready", well, 30)
