"""A password that the site file gives is the one of both sides, also on a site that runs."""

import openstack
import pytest
import yaml
from openstack.exceptions import SDKException

from demo import Site, failed
from stackyard.catalogue import site_path
from tool import STATE

pytestmark = [pytest.mark.cloud, pytest.mark.full]

GIVEN = "contrail-123"
NOVA = ("DATABASE_PASSWORD", "KEYSTONE_PASSWORD", "RABBIT_PASSWORD")


def test_given_passwords_are_those_of_accounts_and_clients(site: Site, tmp_path):
    before = site.credentials
    assert before["OS_PASSWORD"] != GIVEN
    words = {
        "settings": {"ADMIN_PASSWORD": GIVEN, "NEUTRON_METADATA_SECRET": GIVEN},
        "services": {"nova": {"environment": {name: f"{GIVEN}-{name}" for name in NOVA}}},
    }
    file = tmp_path / "demo.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(site_path("demo").read_text()) | words))
    site.stackyard("up", "--site", str(file), timeout=600)

    assert site.credentials["OS_PASSWORD"] == GIVEN
    outcome = site.verify()
    assert failed(outcome) == []
    names = ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")
    auth = {name: before[f"OS_{name.upper()}"] for name in names}
    with pytest.raises(SDKException, match="HTTP 401"):
        openstack.connect(auth=auth, load_yaml_config=False, load_envvars=False).authorize()
    written = [path for path in (STATE / "sites" / "demo" / "nodes").rglob("*") if path.is_file()]
    holders = [path for path in written if GIVEN in path.read_text()]
    assert {path.parents[1].name for path in holders} == {"secrets"}
    assert not [path for path in holders if path.name == "ADMIN_PASSWORD" and "controller" not in path.parts]
