"""A connection counts when a process of the container holds it, and only then."""

import socket
import subprocess
import sys

import pytest

from stackyard.entrypoint.sockets import connected


@pytest.fixture(params=["127.0.0.1", "::1"])
def server(request):
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.bind((request.param, 0))
        listening.listen()
        yield listening


def test_a_connection_of_ones_own(server):
    peer = server.getsockname()[:2]
    assert connected(peer) == "no connection"
    with socket.create_connection(peer):
        assert connected(peer) is None


def test_a_connection_of_somebody_else_does_not_count(server, tmp_path):
    host, port = server.getsockname()[:2]
    script = f"import socket; s = socket.create_connection(({host!r}, {port})); print('x', flush=True); input()"
    other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdout.read(1)
    proc = tmp_path / "proc"
    (proc / "1" / "fd").mkdir(parents=True)
    (proc / "net").symlink_to("/proc/net")
    try:
        assert connected((host, port), str(proc)) == "only other containers are connected"
        assert connected((host, port)) is None
    finally:
        other.communicate(b"\n")


def test_a_name_that_does_not_resolve():
    assert "nowhere.invalid" in connected(("nowhere.invalid", 5672))
