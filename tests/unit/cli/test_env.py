"""What `env` prints, as shells run it and as clients read it then."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fakes import FakeEngine, FakeHost
from stackyard import cli
from stackyard.secrets import Secrets, save

PASSWORD = "it's $ecret"  # noqa: S105 - of no account
YESTERDAY = {
    "OS_CLOUD": "yesterday",
    "OS_PROJECT_ID": "0123456789abcdef",
    "OS_USER_DOMAIN_ID": "other",
    "OS_DOMAIN_ID": "other",
    "OS_TOKEN": "old",
    "OS_APPLICATION_CREDENTIAL_ID": "old",
    "OS_SYSTEM_SCOPE": "all",
    "OS_COMPUTE_ENDPOINT_OVERRIDE": "http://192.0.2.1/\nOS_IN_A_VALUE=x",
}
SHELLS = [shell for shell in ("sh", "bash", "dash", "zsh") if shutil.which(shell)]
SDK = """\
import json, openstack.config
cloud = openstack.config.OpenStackConfig(load_yaml_config=False).get_one()
print(json.dumps([cloud.region_name, cloud.get_auth_args()]))
"""


@pytest.fixture
def printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what `stackyard env` prints of the demo."""
    save(tmp_path / "sites/demo/secrets.json", Secrets({"keystone/admin": PASSWORD}))
    with pytest.raises(SystemExit) as caught:
        cli.main(["env"], FakeHost(FakeEngine(), tmp_path))
    assert caught.value.code == 0
    return capsys.readouterr().out


def environment(printed: str, shell: str, before: dict[str, str]) -> dict[str, str]:
    """Return the variables OS_… of a shell that has evaluated it with `-eu`."""
    script = 'eval "$1"; exec env -0'
    command = [shell, "-euc", script, "-", printed]
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME": "here"}
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=path | before)
    assert told.stderr == ""
    found = dict(each.split("=", 1) for each in told.stdout.split("\0") if each)
    assert found["HOSTNAME"] == "here"
    return {name: text for name, text in found.items() if name.startswith("OS_")}


def by_gophercloud(env: dict[str, str]) -> dict[str, str]:
    """Return what gophercloud v2 asks Keystone for: AuthOptionsFromEnv, and the rules of its v3 requests."""
    project_id = env.get("OS_PROJECT_ID") or env.get("OS_TENANT_ID", "")
    project = env.get("OS_PROJECT_NAME") or env.get("OS_TENANT_NAME", "")
    domain_id, domain = env.get("OS_DOMAIN_ID", ""), env.get("OS_DOMAIN_NAME", "")
    user_id = env.get("OS_USERID", "")
    assert domain_id or domain or project_id or not project, "Missing environment variable [OS_PROJECT_ID]"
    assert bool(user_id) != bool(env["OS_USERNAME"])
    assert bool(domain_id) != bool(domain), "You must provide exactly one of DomainID or DomainName"
    assert not any(name.startswith("OS_APPLICATION_CREDENTIAL") for name in env)
    assert env.get("OS_SYSTEM_SCOPE") != "all"
    scope = {"project_id": project_id} if project_id else {"project_name": project, "project_domain": domain}
    return {"user": env["OS_USERNAME"], "password": env["OS_PASSWORD"], "user_domain": domain, **scope}


def by_clientconfig(env: dict[str, str]) -> dict[str, str]:
    """Return what gophercloud/utils, and with it Terraform's provider, asks for: v3auth with setDomainIfNeeded."""
    assert not env.get("OS_CLOUD")
    assert not env.get("OS_TOKEN")
    assert not env.get("OS_AUTH_TOKEN")
    project_id = env.get("OS_PROJECT_ID") or env.get("OS_TENANT_ID", "")
    domains = {}
    for kind in ("USER", "PROJECT"):
        identifier = env.get(f"OS_{kind}_DOMAIN_ID") or env.get("OS_DOMAIN_ID", "")
        domains[kind] = env.get(f"OS_{kind}_DOMAIN_NAME") or env.get("OS_DOMAIN_NAME", "")
        assert bool(identifier) != bool(domains[kind]), "You must provide exactly one of DomainID or DomainName"
    name = {"project_name": env["OS_PROJECT_NAME"], "project_domain": domains["PROJECT"]}
    scope = {"project_id": project_id} if project_id else name
    return {"user": env["OS_USERNAME"], "password": env["OS_PASSWORD"], "user_domain": domains["USER"], **scope}


@pytest.mark.parametrize("before", [{}, YESTERDAY], ids=["new shell", "yesterday's"])
@pytest.mark.parametrize("shell", SHELLS)
def test_only_what_is_printed_is_set(printed: str, shell: str, before: dict[str, str]) -> None:
    found = environment(printed, shell, before)
    assert found["OS_PASSWORD"] == PASSWORD
    assert set(found) == {line.split()[1].partition("=")[0] for line in printed.splitlines() if "export" in line}


@pytest.mark.parametrize("read", [by_gophercloud, by_clientconfig])
@pytest.mark.parametrize("before", [{}, YESTERDAY], ids=["new shell", "yesterday's"])
def test_clients_in_go_are_suited(printed: str, read, before: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    asked = read(environment(printed, "sh", before))
    account = {"user": "admin", "password": PASSWORD, "user_domain": "Default"}
    assert asked == {**account, "project_name": "admin", "project_domain": "Default"}


def test_openstacksdk_asks_for_the_project(printed: str) -> None:
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment(printed, "sh", YESTERDAY)}
    told = subprocess.run([sys.executable, "-c", SDK], env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
    region, auth = json.loads(told)
    assert region == "RegionOne"
    assert auth == {
        "auth_url": "http://127.0.0.1:5000/v3",
        "username": "admin",
        "password": PASSWORD,
        "user_domain_name": "Default",
        "project_name": "admin",
        "project_domain_name": "Default",
    }
