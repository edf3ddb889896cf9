"""Catalogue -> recipe: the Dockerfile as a golden file, and what must hold for every recipe."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stackyard.images.parts import ContextFile, Recipe
from stackyard.images.sources import _named

GOLDEN = Path(__file__).parent / "Dockerfile.golden"
Make = Callable[..., Recipe]


def test_the_dockerfile_is_the_golden_one(make: Make) -> None:
    """Write it anew with GOLDEN=write, and read the difference."""
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(make().dockerfile)
    assert make().dockerfile == GOLDEN.read_text()


def test_the_same_catalogue_gives_the_same_recipe(make: Make) -> None:
    assert make() == make()


def test_every_stage_comes_after_those_that_it_needs(real: Recipe) -> None:
    seen: set[str] = set()
    for stage in real.stages.values():
        assert stage.external or stage.source in seen
        assert seen.issuperset(stage.uses)
        assert seen.issuperset(re.findall(r"from=([a-z.-]+)", stage.text))
        seen.add(stage.name)


def test_every_path_that_is_mounted_or_copied_is_in_the_context(real: Recipe) -> None:
    for stage in real.stages.values():
        text = stage.text
        sources = re.findall(r"type=bind,source=([^,]+)", text) + re.findall(r"^COPY ([a-z]\S*) ", text, re.MULTILINE)
        for source in sources:
            assert any(path == source or path.startswith(source.rstrip("/") + "/") for path in real.context), source


def test_only_what_every_engine_knows_is_used(real: Recipe) -> None:
    words = {line.split()[0] for line in real.dockerfile.splitlines() if line}
    assert words == {"FROM", "RUN", "COPY", "ENV", "USER", "ENTRYPOINT", "LABEL"}
    assert not re.search(r"<<|--link|# *syntax|--security|--network", real.dockerfile)


def test_nothing_of_the_build_host_is_in_the_recipe(real: Recipe) -> None:
    text = real.dockerfile + "".join(repr(file.content) for file in real.context.values())
    assert "proxy=" not in text.lower()
    assert not re.search(r"deb\.debian\.org|pypi\.org|SSL_CERT_FILE=/etc", text)


def test_subs_share_the_layers_of_their_base(make: Make) -> None:
    recipe = make()
    assert recipe.stages["app-api"].source == "app-api.body"
    assert recipe.stages["app-api.body"].source == "app.body"
    assert "netbase" not in recipe.stages["app-api.body"].text


def test_the_entrypoint_comes_last(real: Recipe) -> None:
    for image in real.images:
        layers = [each.text for each in real.stages[image].instructions if each.counts]
        assert layers[-2].startswith("COPY --from=shared.app")
        assert layers[-1] == f"COPY containers/{image}/ /opt/stackyard/container/"


def test_a_description_is_not_expanded(make: Make) -> None:
    assert 'org.opencontainers.image.description="What both share; costs \\$5."' in make().stages["app"].text


def test_another_cache_changes_no_identity(make: Make) -> None:
    usual, apart = make(), make(cache="-bench")
    assert "id=stackyard-uv-bench," in apart.dockerfile
    assert [apart.inputs(image) for image in apart.images] == [usual.inputs(image) for image in usual.images]


def container_folder(recipe: Recipe, image: str) -> dict[str, ContextFile]:
    start = f"containers/{image}/"
    return {path.removeprefix(start): file for path, file in recipe.context.items() if path.startswith(start)}


def test_the_container_folder_has_what_the_image_refers_to(make: Make) -> None:
    own = container_folder(make(), "app-api")
    assert set(own) == {"container.json", "migrate", "templates/app.conf.j2", "templates/shared.j2"}
    assert own["migrate"].mode == 0o755
    assert set(container_folder(make(), "app-agent")) == {"container.json"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("helper", {"helper"}),
        ("the helper of all", set()),
        ("sh -c '/opt/stackyard/container/helper --x'", {"helper"}),
        ("exec ./helper", {"helper"}),
        ('open(folder / "table.json")', {"table.json"}),
        ("import sys\nimport module\n", {"module.py"}),
        ("    from module import main\n", {"module.py"}),
        ("sub/table.json", set()),
    ],
)
def test_what_names_a_script(text: str, expected: set[str]) -> None:
    assert set(_named(text, ["helper", "module.py", "table.json"])) == expected


def test_what_a_script_or_template_refers_to_comes_along(make: Make, root: Path) -> None:
    (root / "area/app/migrate").write_text("#!/bin/sh\nexec /opt/stackyard/container/worker\n")
    (root / "area/app/worker").write_text("#!/usr/bin/python3\nimport module\n")
    (root / "area/app/module.py").write_text("")
    (root / "area/app/more.j2").write_text("")
    (root / "area/app/app.conf.j2").write_text("{% include ['none.j2', 'more.j2'] %}")
    own = container_folder(make(), "app-api")
    assert set(own) == {
        "container.json",
        "migrate",
        "worker",
        "module.py",
        "templates/app.conf.j2",
        "templates/more.j2",
    }


def test_a_step_has_the_identity_of_what_it_runs(make: Make, root: Path) -> None:
    def identity() -> str:
        data = json.loads(make().context["containers/app/container.json"].content)  # type: ignore[arg-type]
        return str(data["bootstrap"][0]["identity"])

    before = identity()
    (root / "area/app/app.conf.j2").write_text("other")
    (root / "area/app/other").write_text("#!/bin/sh\n")
    assert identity() == before
    (root / "area/app/migrate").write_text("#!/bin/sh\necho more\n")
    assert identity() != before
    changed = identity()
    (root / "releases/1/python/app.txt").write_text("app==2\n")
    assert identity() != changed


def test_the_baked_database_has_valid_values_and_no_needs(make: Make) -> None:
    context = make().context
    environment = context["database/environment"].content
    assert environment == b"MYSQL_SERVER=192.0.2.10\nTOKEN=example\n"
    data = json.loads(context["database/services/app/container.json"].content)  # type: ignore[arg-type]
    assert data["wait_for"] == [] and data["command"] == []  # noqa: PT018
    assert json.loads(context["database/services/app/declares.json"].content) == {"database": [{"name": "app"}]}  # type: ignore[arg-type]


def add_patch(root: Path, where: str, patch: str = "fix.patch") -> None:
    """Give an image of the service `app` a patch."""
    (root / "area/app" / patch).write_text("a patch")
    path = root / "area/app/service.yaml"
    path.write_text(path.read_text().replace(where, f"{where}\n    patches: [{patch}]"))


def test_a_patch_is_applied_above_the_packages_and_to_what_migrates_the_baked_database(make: Make, root: Path) -> None:
    before = make()
    add_patch(root, "    python: app")
    recipe = make()
    text = [each.command for each in recipe.stages["app.body"].instructions]
    assert text[1:3] == [
        "COPY --from=python.app /delta/ /opt/venv/",
        "RUN /mnt/python-patches /mnt/patches/app /opt/venv",
    ]
    baked = recipe.stages["db.database"].instructions[0].command
    assert baked.startswith("RUN /mnt/python-patches /mnt/patches/app /mnt/python/app /opt/venv && /mnt/bake-database")
    assert recipe.context["patches/app/000-fix.patch"].content == b"a patch"
    assert before.inputs("bare") == recipe.inputs("bare")
    for image in ("app", "app-api", "app-agent", "db"):
        assert set(recipe.inputs(image)) - set(before.inputs(image)) >= {"patches of app"}
    (root / "area/app/fix.patch").write_text("another patch")
    assert make().inputs("app-api")["patches of app"] != recipe.inputs("app-api")["patches of app"]


def test_a_patch_of_a_sub_is_in_the_sub_alone(make: Make, root: Path) -> None:
    add_patch(root, "    description: The agent.")
    recipe = make()
    assert "python-patches" in recipe.stages["app-agent.body"].text
    assert [image for image in recipe.images if "patches of app-agent" in recipe.inputs(image)] == ["app-agent"]


def test_locks_are_laid_one_over_the_other(make: Make, root: Path) -> None:
    path = root / "area/app/service.yaml"
    path.write_text(path.read_text().replace("python: app", "python: [app, entrypoint]"))
    copied = [each.text for each in make().stages["app.body"].instructions if "--from=python" in each.text]
    assert copied == [
        "COPY --from=python.app /delta/ /opt/venv/",
        "COPY --from=python.entrypoint /delta/ /opt/venv/",
    ]
