"""The script that makes accounts, in its image and alone: what the site has is there, what it has no more is gone."""

import json
import subprocess
from pathlib import Path

import pytest

from demo import DOCKER
from tool import ROOT

pytestmark = pytest.mark.cloud

KEYSTONE = ROOT / "catalogue/openstack/keystone/accounts.py"
DRIVER = Path(__file__).with_name("accounts_in_keystone.py")
FOREIGN = [["image", "internal", "west", "http://west"], ["image", "public", "west", "http://west"]]


def accounts(
    region="RegionOne", admin="admin", users=("glance", "nova"), types=("identity", "image"), *, host="one", word="x"
):
    """accounts.json of a site."""
    services = [{"user": name, "password": f"{word} of {name}"} for name in users]
    services += [
        {"type": kind, "service": kind, "internal": f"http://{host}/{kind}", "public": f"http://public/{kind}"}
        for kind in types
    ]
    return {"admin": {"user": admin, "password": word, "project": admin}, "region": region, "services": services}


@pytest.fixture(scope="module")
def keystone(fresh_site):
    """Run steps in a container of Keystone's image; returns what was there after each."""
    del fresh_site  # has built the image

    def run(*steps):
        mounts = [f"--volume={DRIVER}:/driver.py:ro", f"--volume={KEYSTONE}:/opt/stackyard/container/accounts.py:ro"]
        options = ["--rm", "--interactive", "--network=none", "--tmpfs=/run/stackyard:uid=2401,mode=0755"]
        image = ["--entrypoint=/opt/venv/bin/python", "localhost:5100/keystone:2026.2", "/driver.py"]
        command = [DOCKER, "run", *options, *mounts, *image]
        done = subprocess.run(
            command, input=json.dumps(steps), capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def made(region, host="one", types=("identity", "image")):
    """The endpoints of a site."""
    urls = {"internal": f"http://{host}", "public": "http://public"}
    return [[kind, each, region, f"{url}/{kind}"] for kind in types for each, url in urls.items()]


def foreign():
    """What an operator adds: endpoints of another region whose ids sort first and last, and another service."""
    row = "INSERT INTO endpoint (id, interface, service_id, url, extra, enabled, region_id)"
    image = "(SELECT id FROM service WHERE type = 'image')"
    return [
        "INSERT INTO region (id, description, extra) VALUES ('west', '', '{}')",
        f"{row} VALUES ('000', 'internal', {image}, 'http://west', '{{}}', 1, 'west')",
        f"{row} VALUES ('zzz', 'public', {image}, 'http://west', '{{}}', 1, 'west')",
        "INSERT INTO service (id, type, enabled, extra) VALUES ('theirs', 'volume', 1, '{}')",
        f"{row} VALUES ('ooo', 'public', 'theirs', 'http://volume', '{{}}', 1, 'RegionOne')",
    ]


def test_keystone_has_what_the_site_has_and_what_others_made(keystone):
    first, again, moved, less, back = keystone(
        {"accounts": accounts()},
        {"accounts": accounts()},
        {"sql": foreign(), "accounts": accounts(region="east", host="two")},
        {"accounts": accounts(region="east", users=("nova",), types=("identity",))},
        {"accounts": accounts(admin="root")},
    )
    volume = [["volume", "public", "RegionOne", "http://volume"]]
    assert first["endpoints"] == made("RegionOne")
    assert again == first
    assert moved["endpoints"] == sorted([*made("east", "two"), *FOREIGN]) + volume
    assert set(first["ids"]) < set(moved["ids"])  # they are moved, not made anew
    assert moved["regions"] == ["RegionOne", "east", "west"]  # somebody uses the first
    assert less["endpoints"] == made("east", types=("identity",)) + FOREIGN + volume
    assert less["users"] == ["admin", "nova"]
    assert less["services"] == ["identity", "image", "volume"]  # somebody uses the second
    assert back["endpoints"] == sorted([*made("RegionOne"), *FOREIGN]) + volume
    assert (back["regions"], back["users"]) == (["RegionOne", "west"], ["glance", "nova", "root"])
    assert back["projects"] == ["root", "service"]


def test_what_an_earlier_version_registered_moves_too(keystone):
    _first, moved = keystone(
        {"accounts": accounts()}, {"sql": ["DROP TABLE stackyard_made"], "accounts": accounts(region="east")}
    )
    assert moved["endpoints"] == made("east")
    assert moved["services"] == ["identity", "image"]


def test_a_hash_takes_the_work_that_its_password_needs(keystone):
    """Bcrypt's least work for what nobody can guess, as a site's passwords are; the usual for what a person chose."""
    chosen, made_, chosen_again = keystone(
        {"accounts": accounts(users=("nova",))},
        {"accounts": accounts(users=("glance", "nova"), word="x" * 32)},
        {"accounts": accounts(users=("glance", "nova"), word="y")},
    )
    assert chosen["hashes"] == ["admin $2b$12$", "nova $2b$12$"]
    assert made_["hashes"] == ["admin $2b$04$", "glance $2b$04$", "nova $2b$04$"]
    assert chosen_again["hashes"] == ["admin $2b$12$", "glance $2b$12$", "nova $2b$12$"]
