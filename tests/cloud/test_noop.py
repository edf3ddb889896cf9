"""With nothing to do, nothing is done, and it is said."""

import pytest

pytestmark = pytest.mark.cloud


def test_up_again_changes_nothing_and_says_so(site):
    before = site.containers()
    again = site.stackyard("up")
    assert "nothing to do" in (again.stdout + again.stderr).lower()
    assert site.containers() == before


def test_the_plan_of_a_running_site_is_empty(site):
    before = site.containers()
    plan = site.stackyard("up", "--plan")
    assert "nothing to do" in (plan.stdout + plan.stderr).lower()
    assert site.containers() == before


def test_build_again_builds_nothing(site):
    before = site.stackyard("images", "--output", "json").json
    site.stackyard("build")
    assert site.stackyard("images", "--output", "json").json == before


def test_down_and_up_keeps_the_data(site):
    user = site.cloud.identity.create_user(name="kept", password="irrelevant-1")  # noqa: S106
    try:
        site.stackyard("down")
        assert site.containers() == {}
        site.up()
        assert site.cloud.identity.get_user(user.id).name == "kept"
    finally:
        site.up()
        site.cloud.identity.delete_user(user.id, ignore_missing=True)
