"""Bootstrap steps and their markers, against a database that keeps its promises in a few lines of Python."""

from __future__ import annotations

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self
from urllib.parse import quote

import pytest

from stackyard.entrypoint import bootstrap as module
from stackyard.entrypoint import markers, probes
from stackyard.entrypoint.bootstrap import bootstrap
from stackyard.entrypoint.endpoints import Endpoint
from stackyard.entrypoint.failure import Failure
from stackyard.entrypoint.markers import unfinished

ENV = {"PATH": "/usr/bin:/bin"}


class DatabaseError(Exception):
    """As pymysql's: number and text."""


class Server:
    """One database: rows, locks that end with their connection, and excuses for the first connections."""

    def __init__(self, *excuses: str) -> None:
        self.excuses = list(excuses)
        self.rows: dict[str, str] | None = None
        self.locks: dict[str, Connection] = {}
        self.changed = threading.Condition()
        self.places: list[Endpoint] = []

    def connect(self, place: Endpoint) -> Connection:
        self.places.append(place)
        if self.excuses:
            raise DatabaseError(1045, self.excuses.pop(0))
        return Connection(self)


class Connection:
    """A connection and its only cursor."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.result: list[tuple[Any, ...]] = []

    def cursor(self) -> Connection:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Cursors need no end."""

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.result

    def ping(self, *, reconnect: bool) -> None:
        assert reconnect

    def close(self) -> None:
        with self.server.changed:
            self.server.locks = {name: owner for name, owner in self.server.locks.items() if owner is not self}
            self.server.changed.notify_all()

    def execute(self, query: str, parameters: tuple[Any, ...]) -> None:
        self.result = []
        server = self.server
        if query == markers.LOCK:
            with server.changed:
                free = server.changed.wait_for(lambda: server.locks.get(parameters[0], self) is self, 0.2)
                if free:
                    server.locks[parameters[0]] = self
            self.result = [(int(free),)]
        elif query == markers.CREATE:
            server.rows = server.rows or {}
        elif server.rows is None:
            raise DatabaseError(1146, "Table 'nova.stackyard_bootstrap' doesn't exist")
        elif query == markers.DONE:
            server.rows[parameters[0]] = parameters[1]
        elif query == markers.IS_DONE:
            self.result = [(1,)] if server.rows.get(parameters[0]) in parameters[1] else []
        else:
            raise AssertionError(query)


@pytest.fixture
def made(image, tmp_path):
    """A step that leaves a letter in a file each time it runs; the letters."""
    path = tmp_path / "made"
    image.data["bootstrap"] = [
        {
            "name": "schema",
            "run": [["sh", "-c", f"echo -n x >> {path}"]],
            "marker": "database",
            "identity": "0123456789ab",
        },
    ]
    return lambda: path.read_text() if path.exists() else ""


def test_a_step_runs_once_for_an_identity(image, begin, made, capsys):
    server = Server()
    bootstrap(begin(), ENV, connect=server.connect)
    (database,) = server.places
    assert (database.host, database.port, database.password) == ("192.0.2.10", 3306, "contrail123")
    assert markers.where(database) == "database nova at 192.0.2.10:3306"
    assert (made(), server.rows, server.locks) == ("x", {"schema": "0123456789ab"}, {})
    assert image.rendered().exists()
    bootstrap(begin(), ENV, connect=server.connect)
    assert made() == "x"
    assert "bootstrap step schema: already done" in capsys.readouterr().err
    image.data["bootstrap"][0]["identity"] = "ba9876543210"
    bootstrap(begin(), ENV, connect=server.connect)
    assert (made(), server.rows) == ("xx", {"schema": "ba9876543210"})


def test_a_step_without_a_marker_runs_each_time(image, begin, made):
    image.data["bootstrap"][0]["marker"] = None
    for _ in range(2):
        bootstrap(begin(), ENV)
    assert made() == "xx"


def test_a_step_that_runs_always_is_marked_all_the_same(image, begin, made):
    image.data["bootstrap"][0]["always"] = True
    server = Server()
    for _ in range(2):
        bootstrap(begin(), ENV, connect=server.connect)
    assert (made(), server.rows) == ("xx", {"schema": "0123456789ab"})


def test_a_command_runs_in_the_folder_of_its_service(image, begin, tmp_path):
    (image.folder / "script").write_text(f"#!/bin/sh\npwd > {tmp_path}/where\n")
    (image.folder / "script").chmod(0o755)
    image.data["bootstrap"] = [{"name": "s", "run": [["./script"]]}]
    bootstrap(begin(), ENV)
    assert (tmp_path / "where").read_text().strip() == str(image.folder)


def test_it_waits_for_the_database_its_account_and_its_rights(begin, made, capsys):
    server = Server("Can't connect", "Access denied for user", "Unknown database 'nova'")
    bootstrap(begin(), ENV, connect=server.connect)
    assert made() == "x"
    err = capsys.readouterr().err
    assert "waiting for the database nova at 192.0.2.10:3306, at most 300 s: Can't connect" in err
    assert "contrail123" not in err


def test_it_gives_up_at_the_deadline(begin, made, monkeypatch):
    monkeypatch.setattr(module, "DEADLINE", 0.3)
    with pytest.raises(Failure, match="seen last: Access denied"):
        bootstrap(begin(), ENV, connect=Server(*["Access denied"] * 9).connect)
    assert made() == ""


def test_a_failed_command_leaves_no_marker_and_shows_its_last_lines(image, begin, made):
    command = ["sh", "-c", "for i in $(seq 30); do echo line $i; done; echo {{ ADMIN_PASSWORD }}; exit 5"]
    image.data["bootstrap"][0]["run"].append(command)
    server = Server()
    with pytest.raises(Failure) as caught:
        bootstrap(begin(), ENV, connect=server.connect)
    assert caught.value.code == 1
    assert "bootstrap step schema: sh -c" in caught.value.lines[0]
    assert "failed with exit code 5; its last 20 lines:" in caught.value.lines[0]
    assert caught.value.lines[1] == "  line 12"
    assert (made(), server.rows, server.locks) == ("x", {}, {})
    image.data["bootstrap"][0]["run"].pop()
    bootstrap(begin(), ENV, connect=server.connect)
    assert (made(), server.rows) == ("xx", {"schema": "0123456789ab"})


def test_the_failure_is_printed_without_the_secret(image):
    image.data["bootstrap"] = [{"name": "s", "run": [["sh", "-c", "echo {{ ADMIN_PASSWORD }}; exit 5"]]}]
    done = image.start("bootstrap")
    assert done.returncode == 1
    assert "contrail123" not in done.stderr
    assert "sh -c 'echo ********; exit 5' failed" in done.stderr


AWKWARD = 'it\'s a \\ "pass$word"'


@pytest.mark.parametrize(
    "written",
    [
        AWKWARD,
        AWKWARD.replace("\\", "\\\\").replace("'", "''"),
        json.dumps(AWKWARD)[1:-1],
        AWKWARD.replace("$", "\\$"),
        quote(AWKWARD, safe=""),
    ],
)
def test_a_program_that_shows_its_line_does_not_show_the_secret(image, tmp_path, written):
    (tmp_path / "line").write_text(f"ALTER USER x IDENTIFIED BY {written};\n")
    image.data["templates"] = {}
    image.data["bootstrap"] = [{"name": "s", "run": [["sh", "-c", f"cat {tmp_path}/line; exit 1"]]}]
    done = image.start("bootstrap", env={"KEYSTONE_SERVER": "192.0.2.10", "ADMIN_PASSWORD": AWKWARD})
    assert done.returncode == 1
    assert "ALTER USER x IDENTIFIED BY ********;" in done.stderr
    assert "pass" not in done.stderr


def test_two_at_once_do_it_once(image, begin, made, monkeypatch):
    image.data["templates"] = {}
    image.data["bootstrap"][0]["run"].append(["sleep", "0.5"])
    server, session = Server(), begin()
    # signal handlers are the main thread's, and here a bootstrap runs in another
    monkeypatch.setattr(module, "run", lambda argv, env, _: subprocess.run(argv, env=env, check=True))
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(bootstrap, session, ENV, connect=server.connect) for _ in range(2)]
        assert [one.result(30) for one in both] == [None, None]
    assert (made(), server.rows) == ("x", {"schema": "0123456789ab"})


def test_one_step_alone(image, begin, made, tmp_path):
    image.data["bootstrap"].append({"name": "other", "run": [["touch", str(tmp_path / "other")]]})
    bootstrap(begin(), ENV, "other", connect=Server().connect)
    assert made() == ""
    assert (tmp_path / "other").exists()
    done = image.start("bootstrap", "--only", "schemas")
    assert done.returncode == 2
    assert "did you mean schema?" in done.stderr


def test_a_step_that_an_earlier_version_did_is_done(image, begin, made):
    server = Server()
    bootstrap(begin(), ENV, connect=server.connect)
    image.data["bootstrap"][0].update(identity="ba9876543210", adopts=["0123456789ab"])
    bootstrap(begin(), ENV, connect=server.connect)
    assert (made(), server.rows) == ("x", {"schema": "0123456789ab"})


def test_a_step_is_done_with_the_values_that_it_names(image, begin, made, monkeypatch):
    image.data["bootstrap"][0]["values"] = ["KEYSTONE_SERVER"]
    server = Server()
    monkeypatch.setattr(markers.unfinished, "__defaults__", (server.connect,))
    probe = {"marker": "database", "steps": {"schema": ["0123456789ab"]}, "values": {"schema": ["KEYSTONE_SERVER"]}}
    places = {host: {"KEYSTONE_SERVER": host, "ADMIN_PASSWORD": "contrail123"} for host in ("one", "two")}
    for here, times in (("one", "x"), ("one", "x"), ("two", "xx"), ("one", "xxx")):
        bootstrap(begin(places[here]), ENV, connect=server.connect)
        assert made() == times
        done = [host for host, env in places.items() if probes.question(probe, begin(env), ENV)[1]() is None]
        assert done == [here]


def test_waiting_for_the_steps_of_a_job():
    database = Endpoint("database", {"port": 3306}, ["h"])
    steps = {"schema": ["1", "adopted"]}
    server = Server("Access denied")
    assert unfinished(database, steps, server.connect) == "Access denied"
    assert "has not begun" in str(unfinished(database, steps, server.connect))
    server.rows = {"schema": "0", "other": "1"}
    assert unfinished(database, steps, server.connect) == "its bootstrap has not finished: schema"
    for identity in ("1", "adopted"):
        server.rows = {"schema": identity}
        assert unfinished(database, steps, server.connect) is None
    assert (
        unfinished(database, {**steps, "accounts": ["1"]}, server.connect) == "its bootstrap has not finished: accounts"
    )
