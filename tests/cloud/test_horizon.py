"""The dashboard as a person uses it, in a real browser: sign in, launch a VM, look at it, delete it, sign out."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
import yaml

from browser import Browser, browser
from demo import BUILD_SECONDS, UP_SECONDS, Site, engine
from tool import ROOT
from waiting import NotYet, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.full]

URL = "http://127.0.0.1:8080"
LOGIN = f"{URL}/auth/login/"
NAME = "stackyard-test-dashboard"
ERROR = "//*[contains(@class, 'alert-danger') and not(contains(@class, 'javascript-disabled'))]"


@dataclass(frozen=True)
class Person:
    """Somebody with a project, in which there is a network; images and flavors of this name are for all."""

    name: str
    password: str


@pytest.fixture(scope="module")
def dashboard(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demo with the dashboard; it is the demo again in the end."""
    data = yaml.safe_load((ROOT / "catalogue/sites/demo.yaml").read_text())
    file = tmp_path_factory.mktemp("dashboard") / "demo.yaml"
    file.write_text(yaml.safe_dump({**data, "containers": {"horizon": True}}))
    site.stackyard("build", "--site", str(file), timeout=BUILD_SECONDS)
    site.stackyard("up", "--site", str(file), timeout=UP_SECONDS)
    yield site
    site.stackyard("up", timeout=UP_SECONDS)


@pytest.fixture(scope="module")
def person(dashboard: Site) -> Iterator[Person]:
    cloud = dashboard.cloud
    made = Person(NAME, secrets.token_urlsafe())
    project = cloud.identity.create_project(name=NAME)
    user = cloud.identity.create_user(name=NAME, password=made.password, default_project_id=project.id)
    cloud.identity.assign_project_role_to_user(project, user, cloud.identity.find_role("member"))
    blank = {"disk_format": "raw", "container_format": "bare", "visibility": "public"}
    image = cloud.image.create_image(name=NAME, data=bytes(1 << 20), **blank)
    flavor = cloud.compute.create_flavor(name=NAME, ram=64, vcpus=1, disk=1)
    network = cloud.network.create_network(name=NAME, project_id=project.id)
    cloud.network.create_subnet(network_id=network.id, project_id=project.id, ip_version=4, cidr="10.79.0.0/24")
    yield made
    for server in cloud.compute.servers(all_projects=True, project_id=project.id):
        cloud.compute.delete_server(server)
        cloud.compute.wait_for_delete(server, wait=60)
    cloud.network.delete_network(network)
    cloud.compute.delete_flavor(flavor)
    cloud.image.delete_image(image)
    cloud.identity.delete_user(user)
    cloud.identity.delete_project(project)


@pytest.fixture(scope="module")
def page(dashboard: Site) -> Iterator[Browser]:
    assert dashboard
    with browser(URL) as started:
        yield started


def sign_in(page: Browser, name: str, password: str) -> None:
    page.write("//input[@id='id_username']", name)
    page.write("//input[@id='id_password']", password)
    page.click("//button[@id='loginBtn']")


def sign_out(page: Browser) -> None:
    page.open("/identity/")
    page.click("//li[contains(@class, 'user-menu')]/a")
    page.click("//li[contains(@class, 'user-menu')]//button[@type='submit']")
    page.see("//input[@id='id_username']")


def log(dashboard: Site) -> str:
    """What the dashboard has written since it started."""
    told = engine("logs", dashboard.container("controller", "horizon"))
    return told.stdout + told.stderr


def test_a_wrong_password_is_told(page: Browser, person: Person) -> None:
    page.open("/")
    sign_in(page, person.name, "wrong")
    assert "Invalid credentials" in page.see(ERROR).text


def test_a_vm_from_its_launch_to_its_end(dashboard: Site, page: Browser, person: Person) -> None:
    page.open("/")
    sign_in(page, person.name, person.password)
    page.see("//nav[@id='sidebar']")
    launch(page)
    page.see(f"//tr[.//a[normalize-space(.)='{NAME}']]//td[normalize-space(.)='Active']", 180)
    details = page.see(f"//td//a[normalize-space(.)='{NAME}']").get_attribute("href")

    page.open("/project/network_topology/")
    page.see(f"//*[local-name()='svg']//*[normalize-space(text())='{NAME}']")

    page.driver.get(f"{details}?tab=instance_details__console")
    page.driver.switch_to.frame(page.see("//iframe"))
    page.see("//*[contains(normalize-space(text()), 'Connected to')]")
    page.see("//canvas")
    page.driver.switch_to.default_content()

    page.driver.get(f"{details}serial")
    page.see("//*[contains(@class, 'terminal-cursor')]")
    page.see("//*[normalize-space(text())='Status: Open']")

    page.open("/project/instances/")
    page.click(f"//tr[.//a[normalize-space(.)='{NAME}']]//*[contains(@class, 'themable-checkbox')]/label")
    page.click("//button[@id='instances__action_delete']")
    page.click("//*[contains(@class, 'modal-footer')]//*[contains(@class, 'btn-danger')]")
    wait_for("the VM to be gone", lambda: gone(page), 120)

    sign_out(page)
    page.open("/project/instances/")
    assert "/auth/login/" in page.driver.current_url
    assert "Traceback" not in log(dashboard)


def launch(page: Browser) -> None:
    """Fill in the form that launches a VM; the one network of the project is chosen already."""
    page.open("/project/instances/")
    page.click("//a[@id='instances__action_launch-ng']")
    page.write("//input[@id='name']", NAME)
    for step in ("Source", "Flavor"):
        page.click(f"//*[contains(@class, 'wizard')]//a[starts-with(normalize-space(.), '{step}')]")
        page.click(f"//tr[.//td[normalize-space(.)='{NAME}']]//button[contains(@class, 'fa-arrow-up')]")
    page.click("//button[contains(@class, 'finish')]")


def gone(page: Browser) -> None:
    if page.found(f"//td//a[normalize-space(.)='{NAME}']"):
        raise NotYet(page.text()[:500])


def test_every_panel_of_the_administrator_answers(dashboard: Site, page: Browser) -> None:
    page.open("/")
    sign_in(page, "admin", dashboard.credentials["OS_PASSWORD"])
    page.see("//nav[@id='sidebar']")
    hrefs = (each.get_attribute("href") or "" for each in page.driver.find_elements("xpath", "//nav[@id='sidebar']//a"))
    panels = sorted({href.removeprefix(URL) for href in hrefs if href.startswith(f"{URL}/") and "logout" not in href})
    assert {"/admin/instances/", "/project/network_topology/", "/identity/users/"} <= set(panels)
    assert {path: status for path, status in page.statuses(panels).items() if status != 200} == {}
    sign_out(page)
    assert "Traceback" not in log(dashboard)


def test_another_name_or_origin_is_refused_and_told(dashboard: Site) -> None:
    assert requests.get(LOGIN, timeout=10).status_code == 200
    unknown = requests.get(LOGIN, headers={"Host": "elsewhere.example"}, timeout=10)
    assert (unknown.status_code, "not published as elsewhere.example" in unknown.text) == (400, True)
    assert "refused a request for host 'elsewhere.example'" in log(dashboard)
    forged = requests.post(LOGIN, {"username": "x"}, headers={"Origin": "http://elsewhere.example"}, timeout=10)
    assert (forged.status_code, "http://elsewhere.example does not match" in forged.text) == (403, True)


def test_it_is_not_well_without_keystone(dashboard: Site) -> None:
    """The probe asks for what somebody who signs in needs."""
    name = dashboard.container("controller", "keystone")
    engine("pause", name)
    try:
        sick = requests.get(f"{URL}/healthcheck", timeout=30)
        assert (sick.status_code, "nobody can sign in" in sick.text) == (503, True)
    finally:
        engine("unpause", name)
    assert requests.get(f"{URL}/healthcheck", timeout=30).text == "works"
