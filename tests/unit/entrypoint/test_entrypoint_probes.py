"""Needs and health, against real sockets, a real web server and real commands."""

from __future__ import annotations

import http.server
import os
import socket
import threading
import time
from urllib.parse import quote, unquote

import pytest

from stackyard.entrypoint import health, waits
from stackyard.entrypoint.endpoints import Endpoint
from stackyard.entrypoint.expressions import ExpressionError
from stackyard.entrypoint.failure import Failure
from stackyard.entrypoint.probes import http as ask_http
from stackyard.entrypoint.probes import question, split, tcp


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def web():
    """A web server that answers /NUMBER with that status, and with what is asked after the `?`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(int(self.path.strip("/").split("?")[0]))
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(unquote(self.path.partition("?")[2]).encode())

        def log_message(self, *_):
            """Be quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_tcp(listening):
    assert tcp(("127.0.0.1", listening)) is None
    assert tcp(("127.0.0.1", free_port())) == "connection refused"
    assert tcp(("no-such-host.invalid", 1))


def test_split():
    assert split("h:1") == ("h", 1)
    assert split("[::1]:80") == ("::1", 80)
    assert split("::1:80") == ("::1", 80)
    for wrong in ("h", "h:", ":1", "h:x"):
        with pytest.raises(ExpressionError, match="host:port"):
            split(wrong)


@pytest.mark.parametrize("status", [200, 300, 302, 401, 404])
def test_a_web_server_that_answers_is_there(web, status):
    assert ask_http(f"{web}/{status}?x=1") is None


def test_a_web_server_in_trouble_is_not(web):
    assert ask_http(f"{web}/503") == "status 503"
    assert ask_http(f"http://127.0.0.1:{free_port()}/") == "connection refused"


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        ("<state>up</state>", None),
        ("<state>down</state><why>database</why><why>database</why><why> queue</why>", "database; queue"),
        ("<state>down</state>", "another answer than that of one that works"),
        ("", "another answer than that of one that works"),
    ],
)
def test_what_a_web_server_says_counts_where_it_is_asked_for(web, answer, seen):
    assert ask_http(f"{web}/200?{quote(answer)}", None, "<state>up<", "<why>(.*?)<") == seen


def test_what_is_no_web_server_is_not(listening, monkeypatch):
    monkeypatch.setattr("stackyard.entrypoint.probes.SECONDS", 0.2)
    assert ask_http(f"http://127.0.0.1:{listening}/") == "timed out"


def test_proxies_are_not_asked(web, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert ask_http(f"{web}/200") is None


@pytest.mark.parametrize(
    ("probe", "asked", "seen"),
    [
        ({"exec": ["sh", "-c", "echo {{ METADATA_PORT }}; exit 4"]}, "sh -c", "exit code 4: 8775"),
        ({"exec": ["true"]}, "true", None),
        ({"exec": ["no-such-program"]}, "no-such-program", "no-such-program: No such file or directory"),
        ({"file": "/{{ GLANCE_SERVER }}"}, "/nowhere", "it does not exist"),
        ({"file": "/"}, "/", None),
    ],
)
def test_commands_and_files(begin, probe, asked, seen):
    session = begin({"KEYSTONE_SERVER": "h", "ADMIN_PASSWORD": "x", "GLANCE_SERVER": "nowhere"})
    words, ask = question(probe, session, {"PATH": "/usr/bin:/bin"})
    assert asked in words
    assert ask() == seen


def test_a_file_that_must_be_fresh(begin, tmp_path):
    file = tmp_path / "reported"
    probe = {"file": str(file), "within": 60}
    _, ask = question(probe, begin(), {})
    assert ask() == "it does not exist"
    file.touch()
    assert ask() is None
    os.utime(file, (0, time.time() - 90))
    assert ask() == "it was written 90 s ago"


def test_a_file_of_before_another_was_started_does_not_count(begin, tmp_path, image):
    file = tmp_path / "reported"
    file.touch()
    image.data["health"] = {"file": str(file), "within": 60}
    os.utime(file, (0, time.time() - 9))
    health.check(begin(), {}, f"conductor={time.time() - 20}")
    with pytest.raises(Failure, match="it was written 9 s ago, before conductor was started"):
        health.check(begin(), {}, f"conductor={time.time() - 5}")


def test_a_command_that_does_not_answer_is_ended(begin, monkeypatch, tmp_path):
    monkeypatch.setattr("stackyard.entrypoint.probes.COMMAND_SECONDS", 0.5)
    pid = tmp_path / "pid"
    command = ["sh", "-c", f"echo $$ > {pid}; exec sleep 600"]
    _, ask = question({"exec": command}, begin(), {"PATH": "/usr/bin:/bin"})
    assert ask() == "no answer in 0.5 s"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def wait(answers, deadline=300.0):
    clock = Clock()
    asked = iter(answers)
    waits.wait("the database", lambda: next(asked, "refused"), deadline, clock=clock.time, sleep=clock.sleep)
    return clock


def test_waiting_says_nothing_when_it_is_there(capsys):
    assert wait([None]).pauses == []
    assert capsys.readouterr().err == ""


def test_waiting_begins_and_ends_with_a_line(capsys):
    wait(["refused", "refused", None])
    assert capsys.readouterr().err.splitlines() == [
        "stackyard: waiting for the database, at most 300 s: refused",
        "stackyard: the database is there after 0.5 s",
    ]


def test_waiting_says_so_once_a_minute_and_gives_up_at_the_deadline(capsys):
    with pytest.raises(Failure, match="gave up waiting for the database after 300 s; seen last: refused"):
        wait([])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 + 4
    assert "still waiting for the database, 61 s of 300: refused" in lines[1]


def test_pauses_grow_from_a_fifth_of_a_second_to_one():
    pauses = wait(["refused"] * 20 + [None]).pauses
    assert pauses[0] == 0.2
    assert pauses == sorted(pauses)
    assert max(pauses) == 1.0


def test_a_start_waits_until_the_port_is_open(image):
    port = free_port()
    image.data["endpoints"]["queue"]["port"] = port
    image.data["wait_for"] = [
        {"name": "the queue", "probe": {"endpoint": "queue"}, "deadline": 30},
        {"name": "never", "probe": {"tcp": "127.0.0.1:1"}, "when": "GLANCE_SERVER"},
    ]
    image.data["command"] = ["echo", "started"]
    process = image.popen(env={"KEYSTONE_SERVER": "127.0.0.1", "ADMIN_PASSWORD": "hush"})
    assert "warning" in process.stderr.readline()
    assert f"waiting for the queue (tcp 127.0.0.1:{port}), at most 30 s" in process.stderr.readline()
    assert not image.root.exists()
    with socket.create_server(("127.0.0.1", port)):
        stdout, stderr = process.communicate(timeout=30)
    assert stdout == "started\n"
    assert "the queue (tcp" in stderr


def test_a_start_gives_up_with_what_was_seen_last(image):
    image.data["wait_for"] = [{"name": "the queue", "probe": {"tcp": f"127.0.0.1:{free_port()}"}, "deadline": 1}]
    done = image.start()
    assert done.returncode == 1
    assert "gave up waiting for the queue" in done.stderr
    assert "seen last: connection refused" in done.stderr


def test_health(begin, image, listening):
    health.check(begin(), {})
    image.data["health"] = {"tcp": f"127.0.0.1:{listening}"}
    health.check(begin(), {})
    port = free_port()
    image.data["health"] = {"tcp": f"127.0.0.1:{port}"}
    with pytest.raises(Failure, match=f"nova-api is not healthy: tcp 127.0.0.1:{port}: connection refused"):
        health.check(begin(), {})


def test_who_answers_nothing_and_is_connected_stands_by(begin, image, listening, web):
    image.data["contract"]["KEYSTONE_SERVER"]["type"] = "hosts"
    image.data["endpoints"]["queue"]["port"] = listening
    image.data["health"] = {"http": f"http://127.0.0.1:{free_port()}/", "standby": "queue"}
    session = begin({"KEYSTONE_SERVER": "127.0.0.1", "ADMIN_PASSWORD": "x"})
    with pytest.raises(Failure, match="connection refused"):
        health.check(session, {})
    with socket.create_connection(("127.0.0.1", listening)):
        health.check(session, {})
        image.data["health"]["http"] = f"{web}/503"
        with pytest.raises(Failure, match="status 503"):
            health.check(begin({"KEYSTONE_SERVER": "127.0.0.1", "ADMIN_PASSWORD": "x"}), {})


@pytest.mark.parametrize("code", [0, 1])
def test_health_of_a_command_is_its_exit_code(image, code):
    image.data["health"] = {"exec": ["sh", "-c", f"exit {code}"]}
    done = image.start("health")
    assert (done.returncode, done.stderr) == (code, "")


def test_one_member_of_an_endpoint_is_enough(begin, image, listening):
    for name in ("KEYSTONE_SERVER", "MYSQL_SERVER"):
        image.data["contract"][name]["type"] = "hosts"
    image.data["endpoints"]["queue"]["port"] = listening
    session = begin({"KEYSTONE_SERVER": "127.0.0.2,127.0.0.1", "ADMIN_PASSWORD": "x"})
    words, ask = question({"endpoint": "queue"}, session, {})
    assert words == f"tcp 127.0.0.2:{listening}, 127.0.0.1:{listening}"
    assert ask() is None
    image.data["endpoints"]["queue"]["port"] = free_port()
    assert question({"endpoint": "queue"}, begin(), {})[1]() is not None


def test_an_endpoint_with_a_check_is_asked_for_it(begin, image, web):
    image.data["endpoints"]["api"] = {"scheme": "http", "port": int(web.rpartition(":")[2]), "path": "/v3"}
    image.data["endpoints"]["api"]["variables"] = {"hosts": "KEYSTONE_SERVER"}
    for status, seen in ((200, None), (503, "status 503")):
        image.data["endpoints"]["api"]["check"] = f"/{status}"
        session = begin({"KEYSTONE_SERVER": "127.0.0.1", "ADMIN_PASSWORD": "x"})
        words, ask = question({"endpoint": "api"}, session, {})
        assert (words, ask()) == (f"{web}/{status}", seen)


def test_an_endpoint_nobody_knows(begin):
    with pytest.raises(ExpressionError, match="knows no endpoint 'queu'"):
        question({"endpoint": "queu"}, begin(), {})


def test_an_endpoint_in_a_template_is_quoted_once(begin, image):
    image.data["endpoints"]["database"]["variables"]["user"] = "VIRT_TYPE"
    session = begin({"KEYSTONE_SERVER": "2001:db8::1", "ADMIN_PASSWORD": "p@ss/:"})
    assert session.endpoint("database").url == "mysql://auto:p%40ss%2F%3A@[2001:db8::1]:3306/nova"
    assert session.masked().endpoint("database").url == "mysql://auto:********@[2001:db8::1]:3306/nova"


@pytest.mark.parametrize(
    ("url", "members", "origin"),
    [
        ("http://h:5000/v3", ["h:5000", "g:5000"], "http://h:5000"),
        ("https://name.example.org/v3", ["name.example.org:443"], "https://name.example.org"),
        ("http://[2001:db8::1]:5001", ["[2001:db8::1]:5001"], "http://[2001:db8::1]:5001"),
        ("http://user:p@x:80/", ["x:80"], "http://user:p@x:80"),
    ],
)
def test_a_url_wins_over_hosts(url, members, origin):
    endpoint = Endpoint("identity", {"port": 5000, "scheme": "http", "path": "/v3"}, ["h", "g"], url=url)
    assert (endpoint.members, endpoint.origin, endpoint.url) == (members, origin, url)
