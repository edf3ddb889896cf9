"""Bad input, as files: each folder of `cases` is laid over `good`; `expected` is what the user reads.

A file `remove` in a case names files of `good` that the case goes without, one a line. A folder `own` in it is the
site's own layer of the catalogue.
"""

import shutil
from pathlib import Path

import pytest

from stackyard.catalogue import open_site
from stackyard.errors import InputError

CASES = sorted((Path(__file__).parent / "cases").iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input(case: Path, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(case, good, dirs_exist_ok=True)
    removed = case / "remove"
    for name in removed.read_text().split() if removed.exists() else ():
        (good / name).unlink()
    if (case / "own").exists():
        with (good / "site.yaml").open("a") as site:
            site.write("catalogue: own\n")
    monkeypatch.chdir(good)

    with pytest.raises(InputError) as caught:
        open_site("site.yaml", Path("catalogue"))

    hint = f"\nhint: {caught.value.hint}" if caught.value.hint else ""
    assert f"error: {caught.value.message}{hint}\n" == (case / "expected").read_text()
    assert caught.value.exit_code == 2
