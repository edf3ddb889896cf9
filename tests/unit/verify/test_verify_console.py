"""What guests say, from the console of a real one (`samples/console.txt`)."""

from pathlib import Path

import pytest

from heartbeat import parse, pulse
from stackyard.verify.console import last, markers

CONSOLE = (Path(__file__).parent / "samples" / "console.txt").read_text()


def test_a_real_console():
    found = markers(CONSOLE)
    assert len(found) == len(CONSOLE.splitlines())
    assert found[0]["boot"] == "started"
    assert last(found, peer="10.77.0.12", ping="ok")["ms"] == "891.929"
    assert last(found, "tcp", peer="10.77.0.12")["attempt"] == "2"
    assert last(found, metadata="ok", uuid="0000-a")["instance-id"] == "i-0000000a"
    assert last(found, metadata="missing") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("SeaBIOS (version 1.16)\r\nSTACKYARD a=1 b=2\r\n", [{"a": "1", "b": "2"}]),
        ("[    2.1] random: STACKYARD a=1\n", [{"a": "1"}]),
        ("STACKYARD a=1", []),
        ("RD a=1\nSTACKYARD a=2\n", [{"a": "2"}]),
        ("STACKYARD a=1 [  3.0] virtio: hello\n", []),
        ("STACKYARD sha=ab=cd empty=\n", [{"sha": "ab=cd", "empty": ""}]),
        ("STACKYARDS a=1\n", []),
    ],
)
def test_markers(text, expected):
    assert markers(text) == expected


def test_heartbeats():
    found = parse(CONSOLE)
    assert [heartbeat.number for heartbeat in found] == list(range(1, len(found) + 1))
    assert found[0].pings == {"10.77.0.12": 874.966}
    assert all(heartbeat.well for heartbeat in found)
    assert parse(CONSOLE, since=found[3].time)[0].number == 4


def test_the_pulse_tells_what_was_lost():
    beat = "STACKYARD heartbeat={} time={} uptime={} ping=10.77.0.12:{},10.77.0.13:1.0 metadata={}\n"
    text = (
        beat.format(1, 100, 10, "2.0", "ok") + beat.format(2, 107, 17, "lost", "lost") + beat.format(1, 120, 3, 1, "ok")
    )
    found = parse(text)
    assert found[1].pings == {"10.77.0.12": None, "10.77.0.13": 1.0}
    assert not found[1].well
    summary = pulse(found)
    assert (summary.count, summary.lost_pings, summary.lost_metadata) == (3, 1, 1)
    assert (summary.longest_gap, summary.rebooted) == (13, True)
    assert pulse([]).count == 0
