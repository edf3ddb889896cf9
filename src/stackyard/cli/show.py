"""What the catalogue says of a service, and where each part comes from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from stackyard.catalogue import Catalogue, open_site
from stackyard.catalogue.origin import Line, lines, places
from stackyard.catalogue.problems import Loc, Mark, dotted, shown
from stackyard.cli import _options
from stackyard.table import table

COLUMN = 60
"""Column of the comments, where lines are not longer."""

LONG = 40
"""Characters of a value that was replaced."""


@click.command()
@click.argument("service", required=False)
@_options.site
@_options.output
def command(service: str | None, site: str, output: str) -> None:
    """Show a service as all layers of the catalogue together make it, and where each part comes from.

    SERVICE may also be the name of an image or a container of it. Without it: the services of the site.

    A comment names the file and line that a line of YAML comes from, where the file is not that of the line above. What
    the site's own folder changes is listed first, and marked `site:`.
    """
    _, catalogue = open_site(site)
    name = service and catalogue.owner(service)
    if output == "json":
        data = _data(catalogue, name) if name else [_entry(catalogue, each) for each in catalogue.services]
        click.echo(json.dumps(data, indent=2))
    elif name:
        click.echo("\n".join(_text(catalogue, name)), color=False if os.environ.get("NO_COLOR") else None)
    else:
        entries = [_entry(catalogue, each) for each in catalogue.services]
        rows = [(each["service"], each["title"], ", ".join(each["from"]), " ".join(each["images"])) for each in entries]
        click.echo(table(("SERVICE", "TITLE", "FROM", "IMAGES"), rows))


def _entry(catalogue: Catalogue, name: str) -> dict[str, Any]:
    """A service in short: its images, and the folders that define and change it."""
    service, (first, *others) = catalogue.services[name], catalogue.folders[name]
    changed = {mark.file.parent for _, mark in places(catalogue.written[name])}
    own = any(catalogue.is_own(versions[-1]) for versions in catalogue.versions(name).values())
    layers = [each for each in catalogue.layers if each / name in others or each in changed]
    layers += [catalogue.own] if catalogue.own and own and catalogue.own not in (*layers, first.parent) else []
    return {
        "service": name,
        "title": service.title,
        "images": [each for each in service.images if each in catalogue.images],
        "from": [_named(catalogue, each) for each in (first, *layers)],
    }


def _data(catalogue: Catalogue, name: str) -> dict[str, Any]:
    """A service with the origin of each part, for programs."""
    origins = [(loc, mark, mark.below) for loc, mark in places(catalogue.written[name])]
    return {
        **_entry(catalogue, name),
        "merged": catalogue.written[name],
        "origins": [
            {"path": loc, "file": str(mark.file), "line": mark.line}
            | ({"in_place_of": {"file": str(below.file), "line": below.line}} if below else {})
            for loc, mark, below in origins
        ],
        "files": {key: [str(each) for each in reversed(files)] for key, files in catalogue.versions(name).items()},
    }


def _text(catalogue: Catalogue, name: str) -> Iterator[str]:
    """A service as YAML, and its files, with comments that tell where they come from."""
    yield f"# {name}: {catalogue.services[name].title}; release {catalogue.release} with {catalogue.sdn}"
    body, files = list(lines(catalogue.written[name])), catalogue.versions(name)
    whole = catalogue.is_own(catalogue.folders[name][0])
    changes = [] if whole else [*_changes(catalogue, body, files)]
    yield from ["# The site's own folder changes:", *changes, "#"] if changes else []
    last: Path | None = None
    for line in body:
        if line.mark is None:
            yield line.text
            continue
        own = catalogue.is_own(line.mark.file)
        told = (own and not whole) or line.removed or _replaced(line.mark) or line.mark.file != last
        yield _styled(line.text, _comment(catalogue, line), own=own) if told else line.text
        last = last if line.removed else line.mark.file
    yield "\n# Files:"
    for key, versions in files.items():
        yield _styled(f"#   {key}", _file(catalogue, versions), own=catalogue.is_own(versions[-1]))


def _changes(catalogue: Catalogue, body: list[Line], files: dict[str, list[Path]]) -> Iterator[str]:
    """What the site's own folder changes, in short."""
    told: Loc = ("",)
    for line in body:
        if line.mark and catalogue.is_own(line.mark.file) and line.loc[: len(told)] != told:
            told = line.loc
            what = told[-1] if line.removed else line.text.strip()
            yield _styled(f"#   {f'{dotted(told[:-1])}  {what}'.strip()}", _comment(catalogue, line), own=True)
    for key, versions in files.items():
        if catalogue.is_own(versions[-1]):
            yield _styled(f"#   {key}", _file(catalogue, versions), own=True)


def _named(catalogue: Catalogue, file: Path) -> str:
    """A file's name, as short as it can be."""
    return f"catalogue/{file.relative_to(catalogue.root)}" if file.is_relative_to(catalogue.root) else shown(file)


def _file(catalogue: Catalogue, versions: list[Path]) -> str:
    """Where a file comes from, and what it takes the place of."""
    *below, file = (_named(catalogue, each) for each in versions)
    return f"{file}{f', in place of {below[-1]}' if below else ''}"


def _replaced(mark: Mark) -> Mark | None:
    """What a value took the place of, if that was another one."""
    return mark.below if mark.below and (mark.text is None or mark.below.text != mark.text) else None


def _comment(catalogue: Catalogue, line: Line) -> str:
    """Where a line comes from, and what it took the place of."""
    mark = line.mark
    if mark is None:
        return ""
    text, before = f"{_named(catalogue, mark.file)}:{mark.line}", mark.below if line.removed else _replaced(mark)
    if before is None:
        return text
    what = "removed from" if line.removed else f"was `{before.text[:LONG]}` in" if before.text else "in place of"
    return f"{text}, {what} {_named(catalogue, before.file)}:{before.line}"


def _styled(text: str, comment: str, *, own: bool) -> str:
    """A line with its comment; what is the site's stands out."""
    if own:
        return click.style(f"{text.ljust(COLUMN)}  # site: {comment}", fg="yellow")
    return f"{text.ljust(COLUMN)}  {click.style(f'# {comment}', dim=True)}"
