"""One "did you mean" for all: a name that is one slip away from a known one is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackyard import cli
from stackyard.catalogue import catalogue_root, load
from stackyard.catalogue.problems import near, suggest
from stackyard.entrypoint.suggest import closest

CATALOGUE = load(catalogue_root(), "2026.2", "ovn")
NAMES = sorted(
    name
    for name in {
        *CATALOGUE.known,
        *CATALOGUE.services,
        *CATALOGUE.images,
        *(name for each in CATALOGUE.services.values() for name in each.containers),
        *cli.stackyard.list_commands(None),  # type: ignore[arg-type]
    }
    if len(name) > 2
)
"""Of two letters, every other word of two is one slip away."""


@st.composite
def slips(draw: st.DrawFn) -> tuple[str, str]:
    """A known name, and the same with one letter left out, added, replaced, or swapped with the next."""
    name = draw(st.sampled_from(NAMES))
    at = draw(st.integers(0, len(name) - 2))
    letter = draw(st.sampled_from("abcxyz"))
    kind = draw(st.sampled_from(["left out", "added", "replaced", "swapped"]))
    rest = {
        "left out": name[at + 1 :],
        "added": letter + name[at:],
        "replaced": letter + name[at + 1 :],
        "swapped": name[at + 1] + name[at] + name[at + 2 :],
    }
    return name, name[:at] + rest[kind]


@given(slips())
def test_one_slip_away_is_found(slip: tuple[str, str]) -> None:
    name, word = slip
    assert closest(word, [name]) == name
    assert closest(word, NAMES)


@given(st.sampled_from(NAMES))
def test_a_known_name_is_itself(name: str) -> None:
    assert closest(name, NAMES) == name
    assert closest(name.upper().replace("-", "_"), [name]) == name


@pytest.mark.parametrize(("word", "known"), [("2.0", "1.0"), ("2026.3", "2026.2"), ("dv", "db"), ("route", "app")])
def test_what_is_no_slip(word: str, known: str) -> None:
    assert closest(word, [known]) is None
    assert near(word, [known]) == ""
    assert suggest(word, [known], "there is") == f"there is: {known}"
