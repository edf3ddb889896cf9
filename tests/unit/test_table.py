"""Columns are as wide as what is seen in them."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from stackyard.table import ago, table


def test_colours_take_no_room() -> None:
    rows = [("one", click.style("yes", "green"), "x"), ("three", "no", "")]
    plain = "NODE   READY  IMAGE\none    yes    x\nthree  no"
    assert click.unstyle(table(("NODE", "READY", "IMAGE"), rows)) == plain


@pytest.mark.parametrize(
    ("passed", "text"), [(-5, "0 s"), (59, "59 s"), (61, "1 min"), (7199, "1 h"), (86400 * 3, "3 d")]
)
def test_how_long_ago(passed: float, text: str) -> None:
    assert ago(datetime.now(UTC) - timedelta(seconds=passed + 0.5)) == text
