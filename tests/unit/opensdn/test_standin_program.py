"""What the stand-ins tell of themselves, read as upstream's status tool reads it."""

import json
import socket
import threading
import urllib.request
from xml.etree import ElementTree as ET

import pytest
from standin.program import Connection, Status, Watch, connect, introspect
from standin.web import serve

from waiting import NotYet, wait_for


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def read(port: int) -> tuple[str, str, list[tuple[str | None, ...]]]:
    """State, description, and each connection's type, name and status."""
    url = f"http://127.0.0.1:{port}/Snh_SandeshUVECacheReq?x=NodeStatus"
    with urllib.request.urlopen(url, timeout=5) as answer:
        tree = ET.fromstring(answer.read())  # noqa: S314 - our own
    process = tree.findall(".//NodeStatus/process_status/list/ProcessStatus")
    assert len(process) == 1
    rows = process[0].findall("connection_infos/list/ConnectionInfo")
    told = [tuple(row.findtext(key) for key in ("type", "name", "status")) for row in rows]
    return process[0].findtext("state") or "", process[0].findtext("description") or "", told


@pytest.fixture
def config_api() -> int:
    """Port of something that answers as the config API's list of systems does."""
    port = free_port()
    serve("127.0.0.1", port, lambda *_: json.loads('{"global-system-configs": []}'))
    return port


def test_a_connection_that_fails_and_one_that_works_are_told(config_api: int) -> None:
    rows = {
        "ApiServer:ApiServer": {"api": "DEFAULTS.api_server_ip", "port": "DEFAULTS.api_server_port"},
        "Collector:": {"collector": "DEFAULTS.collectors"},
    }
    port, dead = free_port(), free_port()
    settings = {
        "DEFAULTS": {
            "api_server_ip": "127.0.0.1",
            "api_server_port": str(config_api),
            "collectors": f"127.0.0.1:{dead}",
            "http_server_ip": "127.0.0.1",
        }
    }
    status = Status("contrail-schema", brackets=True)
    connect({"connections": rows}, settings, status)
    introspect({"program": "contrail-schema"}, settings, status, str(port))

    def settled() -> tuple[str, str, list[tuple[str | None, ...]]]:
        told = read(port)
        if any(state == "Initializing" for *_, state in told[2]):
            raise NotYet(told)
        return told

    state, text, told = wait_for("both connections", settled, 20)
    assert state == "Non-Functional"
    assert text == "Collector connection down"
    assert told == [("ApiServer", "ApiServer", "Up"), ("Collector", "", "Down")]


def test_programs_in_python_say_why_a_connection_is_down() -> None:
    down = [Connection("Database", "RabbitMQ", [], "Down", "refused"), Connection("Collector", "", [], "Initializing")]
    status = Status("contrail-api", brackets=True, connections=down)
    assert status.verdict() == ("Non-Functional", "Database:RabbitMQ[refused], Collector connection down")
    status.brackets = False
    assert status.verdict() == ("Non-Functional", "Database:RabbitMQ, Collector connection down")


def test_an_agent_works_with_one_control_node() -> None:
    rows = [Connection("XMPP", f"control-node:192.0.2.{at}", [], state) for at, state in enumerate(("Up", "Down"))]
    status = Status("contrail-vrouter-agent", brackets=False, enough="XMPP:control-node:", connections=rows)
    assert status.verdict() == ("Functional", "XMPP:control-node:192.0.2.1 connection down")
    rows[0].state = "Down"
    assert status.verdict()[0] == "Non-Functional"


def test_an_unregistered_control_node_is_not_functional() -> None:
    status = Status("contrail-control", brackets=False, remarks={"registered": "No BGP configuration for self"})
    assert status.verdict() == ("Non-Functional", "No BGP configuration for self")


def test_a_server_of_another_protocol_is_no_control_node() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            connection.sendall(b"SSH-2.0\r\n")

        threading.Thread(target=answer, daemon=True).start()
        row = Connection("XMPP", "control-node:127.0.0.1", [])
        Watch(row, "xmpp", {"servers": [server.getsockname()]})

        def down() -> None:
            if row.state != "Down":
                raise NotYet(row.state)

        wait_for("the connection to be refused", down, 20)
