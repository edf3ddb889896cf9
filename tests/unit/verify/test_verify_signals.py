"""`verify` as a process that is asked to end: it deletes what it made, and says so with its exit code."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAM = """
import json, sys, time
from pathlib import Path
from types import SimpleNamespace
import fake_cloud
from fakes import FakeEngine, FakeHost
from stackyard import cli
from stackyard.cli import verify
from stackyard.verify import run

class Api(fake_cloud.FakeApi):
    def call(self, service, method, path, **how):
        if method in sys.argv[1].split(",") and (method == "DELETE" or path.endswith("/action")):
            print(method, flush=True)
            time.sleep(60 if method == "POST" else float(sys.argv[2]))
        return super().call(service, method, path, **how)

api = Api()
site = SimpleNamespace(site="demo")
verify.open_site = lambda _site: (site, SimpleNamespace(base=SimpleNamespace(suite="trixie")))
state = SimpleNamespace(secrets=Path(__file__))
verify.Desired = SimpleNamespace(of=lambda *_: SimpleNamespace(state=state, site=site))
verify.guest = SimpleNamespace(ensure=lambda *_: None)
verify.hosts = lambda _resolved: ()
verify.target = lambda *_: fake_cloud.target(Path(sys.argv[3]))
verify.Api = lambda _credentials, _local: api
run.Capture = fake_cloud.FakeCapture
try:
    cli.main(["verify", *sys.argv[4:]], FakeHost(FakeEngine()))
finally:
    left = sorted(thing["name"] for things in api.things.values() for thing in things.values())
    print(json.dumps({"left": left, "captures": fake_cloud.FakeCapture.stopped}))
"""


class Verify:
    """A run that stands still at a console's log, and, when it is said so, at each deletion."""

    def __init__(self, folder: Path, *arguments: str, at: str = "POST", seconds: float = 60) -> None:
        (folder / "program.py").write_text(PROGRAM)
        env = {**os.environ, "PYTHONPATH": f"{HERE}:{HERE.parents[1]}", "CI": "1"}
        self.process = subprocess.Popen(
            [sys.executable, folder / "program.py", at, str(seconds), folder, *arguments],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def stands_at(self, method: str) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline() == f"{method}\n", self.process.communicate()[1]

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        """Exit code, the last line of the output, and the errors."""
        out, err = self.process.communicate(timeout=50)
        return self.process.returncode, out.splitlines()[-1] if out else "", err


@pytest.fixture(autouse=True)
def nothing_is_ignored() -> Iterator[None]:
    """What has started the tests may ignore signals, as nohup does; all that they start would ignore them, too."""
    before = {
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[object]:
    begun: list[Verify] = []

    def begin(*arguments: str, **how: object) -> Verify:
        begun.append(Verify(tmp_path, *arguments, **how))  # type: ignore[arg-type]
        begun[-1].stands_at("POST")
        return begun[-1]

    yield begin
    for each in begun:
        each.process.kill()
        each.process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_and_it_deletes_what_it_made(begin, number, code):
    verify = begin("--site", "other.yaml")
    verify.send(number)
    ended, last, err = verify.end()
    assert (ended, json.loads(last)) == (code, {"left": [], "captures": 2})
    assert "clean: done" in err
    hint = "hint: to be sure that nothing is left: stackyard verify --site other.yaml --clean\n"
    assert err.endswith(f"error: interrupted\n{hint}")


def test_what_is_to_be_kept_is_kept_but_nothing_listens_on(begin):
    verify = begin("--keep", "--tag", "mine")
    verify.send(signal.SIGTERM)
    code, last, err = verify.end()
    left = json.loads(last)
    assert (code, left["captures"]) == (143, 2)
    assert "stackyard-verify-run-compute1" in left["left"]
    assert "what was made stays; delete it with: stackyard verify --clean --tag mine" in err


def test_a_second_ctrl_c_ends_it_at_once(begin):
    verify = begin(at="POST,DELETE")
    verify.send(signal.SIGTERM)
    verify.stands_at("DELETE")
    verify.send(signal.SIGINT)
    code, last, err = verify.end()
    assert (code, last) == (130, "")
    assert "interrupted while tidying up\nhint: to be sure that nothing is left: stackyard verify --clean" in err


def test_a_signal_that_comes_twice_counts_once(begin):
    verify = begin(at="POST,DELETE", seconds=0.1)
    verify.send(signal.SIGTERM)
    verify.stands_at("DELETE")
    verify.send(signal.SIGTERM)
    verify.send(signal.SIGHUP)
    code, last, _err = verify.end()
    assert (code, json.loads(last)["left"]) == (143, [])


def test_what_is_ignored_stays_so(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        verify = Verify(tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)
    verify.stands_at("POST")
    verify.send(signal.SIGHUP)
    verify.send(signal.SIGTERM)
    assert verify.end()[0] == 143
