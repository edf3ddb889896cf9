"""With cgroup v2 libvirt's hook moves QEMU to its node's cgroup, on whatever kind of cgroups the host runs."""

import subprocess
from pathlib import Path

import pytest

from stackyard.catalogue import catalogue_root

pytestmark = pytest.mark.engine

HOOK = catalogue_root() / "common/libvirt/started"
SCRIPT = """
set -eu
mount -t tmpfs none /run
mkdir -p /run/all /run/libvirt/qemu
# A mount of its own would take the host's options of it away.
host=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
if test -n "$host"; then mount --bind "$host" /run/all; else mount -t cgroup2 none /run/all; fi
mkdir -p /run/all/stackyard-test  # one of a run that was ended may be there
mount --bind /run/all/stackyard-test /sys/fs/cgroup
sleep 60 & process=$!
echo "$process" >/run/libvirt/qemu/instance-1.pid
sh "$1" instance-1 prepare begin - </dev/null
grep '^0:' "/proc/$process/cgroup"
sh "$1" instance-1 started begin - </dev/null
grep '^0:' "/proc/$process/cgroup"
sh "$1" instance-2 started begin - </dev/null || echo "refused: $?"
kill "$process"
wait "$process" || true
umount /sys/fs/cgroup
rmdir /run/all/stackyard-test
"""


def test_qemu_is_moved_to_the_cgroup_of_its_node(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(SCRIPT, encoding="utf-8")
    command = ["unshare", "--mount", "--propagation", "private", "sh", str(script), str(HOOK)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    before, after, refused = done.stdout.splitlines()
    assert not before.endswith("/stackyard-test")
    assert after.endswith("/stackyard-test")
    assert refused == "refused: 1"
    assert "QEMU of instance-2 cannot be moved" in done.stderr
