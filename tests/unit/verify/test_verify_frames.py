"""The capture, from what tcpdump really prints (`samples/`)."""

from pathlib import Path

import pytest

from stackyard.verify.frames import Expected, Frames, exchange, expected, first, missing

SAMPLES = Path(__file__).parent / "samples"
A, B = "10.77.0.11", "10.77.0.12"
TUNNELS = {A: "172.30.1.11", B: "172.30.1.12"}

# From the last page of the seed.
SEED = """\
09:45:37.230884 IP 192.168.0.14.56219 > 192.168.0.13.4789: VXLAN, flags [I] (0x08), vni 4
IP 1.1.1.8 > 1.1.1.7: ICMP echo request, id 16641, seq 0, length 64
09:45:37.236403 IP 192.168.0.13.50887 > 192.168.0.14.4789: VXLAN, flags [I] (0x08), vni 4
IP 1.1.1.7 > 1.1.1.8: ICMP echo reply, id 16641, seq 0, length 64
09:45:42.243921 IP 192.168.0.14.58833 > 192.168.0.13.4789: VXLAN, flags [I] (0x08), vni 4
"""


def read(lines):
    """The encapsulated pings of a whole capture."""
    frames = Frames()
    for line in lines:
        frames.feed(line)
    return frames.seen()


def sample(name: str) -> list[str]:
    return (SAMPLES / name).read_text().splitlines()


def test_the_picture_of_the_seed():
    frames = read(["tcpdump: verbose output suppressed", "listening on eth0", *SEED.splitlines()])
    assert "\n".join(map(str, frames)).splitlines() == [
        "09:45:37.230884 IP 192.168.0.14.56219 > 192.168.0.13.4789: VXLAN, vni 4",
        "IP 1.1.1.8 > 1.1.1.7: ICMP echo request, id 16641, seq 0",
        "09:45:37.236403 IP 192.168.0.13.50887 > 192.168.0.14.4789: VXLAN, vni 4",
        "IP 1.1.1.7 > 1.1.1.8: ICMP echo reply, id 16641, seq 0",
    ]


@pytest.mark.parametrize(
    ("name", "encapsulation"),
    [("vxlan.txt", "vxlan"), ("geneve.txt", "geneve"), ("geneve-verbose.txt", "geneve")],
)
def test_both_ways_in_each_form(name, encapsulation):
    frames = read(sample(name))
    assert len(frames) == 4
    assert {frame.vni for frame in frames} == {4}
    assert missing(frames, expected((A, B), TUNNELS), encapsulation) == []


def test_all_interfaces_and_verbose():
    tunnels = {A: "172.31.0.11", B: "172.31.0.12"}
    assert missing(read(sample("vxlan-any-verbose.txt")), expected((A, B), tunnels), "vxlan") == []


def test_the_wrong_encapsulation_is_named():
    problems = missing(read(sample("geneve.txt")), expected((A, B), TUNNELS), "vxlan")
    assert len(problems) == 4
    assert problems[0] == f"echo request {A} > {B}: encapsulation geneve, not vxlan"


def test_one_direction_is_not_enough():
    lines = [line for pair in _records("vxlan.txt") if "172.30.1.11.53862 >" in pair[0] for line in pair]
    assert missing(read(lines), expected((A, B), TUNNELS), "vxlan") == [
        f"echo request {B} > {A}: not seen",
        f"echo reply {B} > {A}: not seen",
    ]


def test_other_inner_addresses_are_not_ours():
    lines = [line.replace(A, "10.77.0.99") for line in sample("vxlan.txt")]
    assert len(missing(read(lines), expected((A, B), TUNNELS), "vxlan")) == 4


def test_other_outer_addresses_are_told():
    lines = [line.replace("172.30.1.11", "192.0.2.1") for line in sample("geneve.txt")]
    problems = missing(read(lines), expected((A, B), TUNNELS), "geneve")
    assert problems[0] == f"echo request {A} > {B}: from node 192.0.2.1, not 172.30.1.11"


def test_pings_outside_of_a_tunnel_do_not_count():
    assert read([f"09:45:37.230884 IP {A} > {B}: ICMP echo request, id 1, seq 0, length 64"]) == []


def test_an_echo_in_the_record_of_another_does_not_count():
    lines = ["09:45:37.2 IP 172.30.1.11.5 > 172.30.1.12.4789: VXLAN, flags [I] (0x08), vni 4", "ARP, Request"]
    assert read([*lines, f"09:45:37.3 IP {A} > {B}: ICMP echo request, id 1, seq 0, length 64"]) == []


def test_what_comes_in_is_seen_before_the_next_record():
    frames = Frames()
    lines = SEED.splitlines()
    frames.feed(lines[0])
    assert frames.seen() == []
    frames.feed(lines[1])
    assert len(frames.seen()) == 1
    frames.feed(lines[2])
    assert (len(frames.seen()), frames.records) == (1, 2)


def test_first_is_exact():
    wanted = Expected("reply", B, A, TUNNELS[B], TUNNELS[A])
    found = first(read(sample("vxlan.txt")), wanted, "vxlan")
    assert found is not None
    assert (found.kind, found.source, found.id) == ("reply", B, 3)


def test_an_exchange_is_a_ping_with_its_own_reply():
    frames = read(sample("vxlan.txt"))
    request = Expected("request", B, A, TUNNELS[B], TUNNELS[A])
    pair = exchange(frames, request, "vxlan")
    assert pair is not None
    assert [(each.kind, each.source, each.id) for each in pair] == [("request", B, 5), ("reply", A, 5)]
    assert exchange(frames[::-1], request, "vxlan") is None
    assert exchange(frames, request, "geneve") is None


def test_a_reply_to_another_ping_is_no_answer():
    lines = [line.replace("echo reply, id 3", "echo reply, id 4") for line in sample("vxlan.txt")]
    assert missing(read(lines), expected((A, B), TUNNELS), "vxlan") == [f"echo request {A} > {B}: no reply to it"]


def _records(name: str) -> list[list[str]]:
    lines = sample(name)
    return [lines[index : index + 2] for index in range(0, len(lines), 2)]
