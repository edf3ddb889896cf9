"""A site as files."""

import re
from typing import Any

import pytest
import yaml

from resolved_sites import TOY, rendered, resolved
from stackyard.plan.resolved import ResolvedSite
from stackyard.secrets import REDACTED, Secret, Secrets, load, save


def test_the_same_site_gives_the_same_bytes(demo: ResolvedSite) -> None:
    assert rendered(demo) == rendered(resolved("demo"))


def test_no_secret_is_anywhere_but_in_its_file(demo: ResolvedSite) -> None:
    made = rendered(demo)
    secrets = {text for each in demo.containers for secret in each.secrets.values() for text in [secret.reveal()]}
    for files in made.files.values():
        for path, file in files.items():
            if "/secrets/" in path:
                assert (file.mode, file.user is not None) == (0o400, True)
            else:
                assert not [secret for secret in secrets if secret in file.content.decode()], path
    assert not re.search(r"made-(password|key)-", "".join(map(repr, (made, demo, made.targets))))


def test_every_secret_file_is_mounted_and_named(demo: ResolvedSite) -> None:
    for files in rendered(demo).files.values():
        for path, file in files.items():
            if not path.endswith(".yml"):
                continue
            document = yaml.safe_load(file.content)
            directory = path.partition("/")[0]
            for name, secret in document.get("secrets", {}).items():
                assert f"{directory}/{secret['file'].removeprefix('./')}" in files
                container, _dot, variable = name.partition(".")
                service = document["services"][container]
                assert service["environment"][f"{variable}_FILE"] == f"/run/secrets/{variable}"


def test_nothing_is_privileged_and_everything_is_confined(demo: ResolvedSite) -> None:
    for files in rendered(demo).files.values():
        for service in (
            service for path in files if path.endswith(".yml") for service in services(files[path].content)
        ):
            assert "privileged" not in service
            assert service["cap_drop"] == ["ALL"]
            assert "no-new-privileges:true" in service["security_opt"]
            assert service["logging"]["options"]["max-size"]


def test_no_container_gets_the_proxies_of_a_client_and_all_have_the_same_limits(demo: ResolvedSite) -> None:
    names = [f"{kind}_proxy" for kind in ("http", "https", "ftp", "all", "no")]
    for files in rendered(demo).files.values():
        for path in filter(lambda each: each.endswith(".yml"), files):
            for service in services(files[path].content):
                for name in (*names, *map(str.upper, names)):
                    assert service["environment"][name] == ""
                assert "/node" in service["container_name"] or path.startswith("node/") or service["ulimits"]


def test_only_what_writes_below_proc_sys_is_let_out_of_the_engines_profile(demo: ResolvedSite) -> None:
    let_out = {
        service["container_name"]: [option for option in service["security_opt"] if "unconfined" in option]
        for files in rendered(demo).files.values()
        for path in files
        if path.endswith(".yml")
        for service in services(files[path].content)
    }
    assert {name for name, options in let_out.items() if options} == {
        f"demo-{node}-{name}" for node in ("compute1", "compute2") for name in ("nova-compute", "neutron-ovn-agent")
    }
    assert let_out["demo-compute1-nova-compute"] == ["systempaths=unconfined", "apparmor=unconfined"]


def test_what_others_wait_for_comes_first(demo: ResolvedSite) -> None:
    shares = {
        service["container_name"]: service.get("cpu_shares", 1024)
        for files in rendered(demo).files.values()
        for path in files
        if path.endswith(".yml")
        for service in services(files[path].content)
    }
    awaited = {name for each in demo.containers for wait in each.waits for name in wait.providers}
    assert {"demo-controller-mariadb", "demo-controller-keystone-bootstrap", "demo-compute1-ovs-db"} <= awaited
    assert {shares[name] for name in awaited} == {8192}
    assert shares["demo-controller-nova-api"] == shares["demo-compute1-nova-compute"] == 1024


def services(content: bytes) -> list[dict[str, Any]]:
    return list(yaml.safe_load(content)["services"].values())


def test_a_change_changes_the_hash_of_those_that_it_concerns() -> None:
    before = {target.name: target.hash for target in rendered(resolved("toy", TOY)).targets}
    after = {target.name: target.hash for target in rendered(resolved("toy", TOY, settings={"MODE": "crash"})).targets}
    assert {name for name in after if after[name] != before[name]} == {"toytest-two-late"}


@pytest.mark.parametrize(
    ("value", "shared"),
    [
        ("plain-1.2/3", True),
        ("100%", True),
        ("two words", False),
        ("#not a comment", False),
        ("hello $USER", False),
        ("it's", False),
        ("back\\slash", False),
        ("ä", False),
    ],
)
def test_common_env_holds_what_both_of_its_readers_read_alike(value: str, shared: bool) -> None:
    files = rendered(resolved("toy", TOY, settings={"GREETING": value})).files["one"]
    lines = files["front/common.env"].content.decode().splitlines()[1:]
    assert lines == [*([f"GREETING={value}"] if shared else []), "HOST_IP=172.31.96.10"]
    for service in services(files["front/docker-compose.yml"].content):
        own = {key: text.replace("$$", "$") for key, text in service.get("environment", {}).items()}
        assert own.get("GREETING") == (None if shared else value)


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("hunter2")
    shown = f"{secret} {secret!r} {secret:>20} {[secret]} {str(secret)}"  # noqa: RUF010 - each way to print
    assert "hunter2" not in shown
    assert REDACTED in shown
    with pytest.raises(TypeError):
        ", ".join([secret])  # type: ignore[list-item]  # noqa: FLY002 - what must fail


def test_the_store_keeps_and_makes_secrets(tmp_path) -> None:
    path = tmp_path / "secrets.json"
    first = load(path)
    password, key = first.get("a/b").reveal(), first.get("a/key", "key").reveal()
    assert (len(password), len(key), first.made) == (32, 44, ["a/b", "a/key"])
    save(path, first)
    assert path.stat().st_mode & 0o777 == 0o600
    again = load(path)
    assert (again.get("a/b").reveal(), again.made) == (password, [])
    assert Secrets({"x": "y"}).get("x") == Secret("y")


def test_options_of_one_service_do_not_reach_its_neighbours() -> None:
    """A compose directory holds containers of several services: what only one takes is not in their common.env."""
    site = resolved("demo", services={"nova": {"options": {"DEFAULT": {"ratio": 2}}}})
    files = rendered(site).files["compute1"]
    assert b"OS_DEFAULT__RATIO" not in files["nova-compute/common.env"].content
    services = yaml.safe_load(files["nova-compute/docker-compose.yml"].content)["services"]
    given = {name for name, each in services.items() if "OS_DEFAULT__RATIO" in each.get("environment", {})}
    assert given == {"nova-compute"}
