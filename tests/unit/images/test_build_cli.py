"""Which images the options select, and how plan and result are shown."""

import pytest

from stackyard.catalogue import Catalogue, open_site
from stackyard.cli.build import selected, switched_off
from stackyard.errors import InputError
from stackyard.events import Event
from stackyard.images.identity import Decision, Identity
from stackyard.images.report import decided, listed
from stackyard.ui import reporter


@pytest.mark.parametrize(
    ("base", "sub", "names", "expected"),
    [
        (False, False, (), ["app", "app-api", "app-agent", "db", "bare"]),
        (True, False, (), ["app", "db", "bare"]),
        (False, True, (), ["app-api", "app-agent"]),
        (False, False, ("bare", "app-api"), ["app-api", "bare"]),
        (True, False, ("app-api",), ["app", "app-api", "db", "bare"]),
    ],
)
def test_selection(small: Catalogue, base: bool, sub: bool, names: tuple[str, ...], expected: list[str]) -> None:
    assert selected(small, base=base, sub=sub, names=names) == expected


def test_what_the_site_has_not_switched_on_is_built_only_when_it_is_named() -> None:
    site, catalogue = open_site("demo")
    off = switched_off(catalogue, site)
    chosen = {"base": False, "sub": False, "off": off}
    assert {"horizon", "neutron-rpc-server"} <= off
    assert set(selected(catalogue, names=(), **chosen)) == set(catalogue.buildable) - off
    assert selected(catalogue, names=("horizon",), **chosen) == ["horizon"]
    on = site.model_copy(update={"containers": {"horizon": True}})
    assert switched_off(catalogue, on) == off - {"horizon"}


def test_an_unknown_name_is_bad_input(small: Catalogue) -> None:
    with pytest.raises(InputError, match="app-apu"):
        selected(small, base=False, sub=False, names=("app-apu",))


def test_a_plan_says_why() -> None:
    made = [
        Decision("app", "x/app:1", "changed", "python/app.txt changed", Identity({})),
        Decision("db", "x/db:1", "current", "up to date", Identity({})),
    ]
    assert decided(made).splitlines() == [
        "            IMAGE  WHY",
        "build       app    python/app.txt changed",
        "up to date  db",
        "1 to build, 1 up to date",
    ]
    assert decided(made[1:]) == "nothing to do: 1 image up to date"
    assert listed([], 29) == "nothing to do: 29 images up to date"


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with reporter("build") as report:
        report(Event("waiting", "app", "new"))
        report(Event("progress", "app", "Debian packages: x"))
        report(Event("done", "app", "1 of 3 steps cached", 2.04))
    told = [line.split(maxsplit=1)[1] for line in capsys.readouterr().err.splitlines()]
    assert told == ["app: Debian packages: x", "app: done, 1 of 3 steps cached (2.0 s)"]


def test_json_leaves_only_failures(capsys: pytest.CaptureFixture[str]) -> None:
    with reporter("build", output="json") as report:
        report(Event("done", "app"))
        report(Event("failed", "db", "no"))
    assert "db: FAILED, no" in capsys.readouterr().err
