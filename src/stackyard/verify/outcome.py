"""What the checks found, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from stackyard.table import table

Seen = Literal["passed", "warning", "skipped"]
"""What a check that did not fail may say of itself: that it has seen something odd, or that there is nothing to do."""
Result = Literal["failed"] | Seen

_HEAD = ("CHECK", "RESULT", "TIME", "SEEN")


@dataclass(frozen=True)
class Finding:
    """What a check has seen that did not fail: in a few words, in detail, and as lines worth showing.

    ``result`` is other than "passed" when there is something to see to, or nothing to check, for the reason in
    ``summary``: neither makes the proof fail.
    """

    summary: str
    details: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[str] = ()
    result: Seen = "passed"


@dataclass(frozen=True)
class Check:
    """One check that is over. ``message`` says why it failed or was skipped, ``hint`` where to look.

    ``causes`` are what else did not work at that moment: containers, with what their probes saw.
    """

    name: str
    result: Result
    seconds: float = 0.0
    saw: Finding = Finding("")
    message: str = ""
    hint: str = ""
    causes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it is no reason for the proof to fail; what was skipped for want of another check is one."""
        return self.result == self.saw.result

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "name": self.name,
            "ok": self.ok,
            "result": self.result,
            "seconds": round(self.seconds, 2),
            "seen": self.saw.summary,
            "details": dict(self.saw.details),
            "lines": list(self.saw.lines),
            "message": self.message,
            "hint": self.hint,
            "causes": list(self.causes),
        }


@dataclass(frozen=True)
class Outcome:
    """All checks of a run; ``kept`` are the names of VMs that were left."""

    site: str
    tag: str
    checks: tuple[Check, ...]
    seconds: float
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and nothing was skipped that there is to check."""
        return all(check.ok for check in self.checks)

    def as_json(self) -> str:
        """Return it as JSON."""
        data = {
            "site": self.site,
            "tag": self.tag,
            "passed": self.passed,
            "seconds": round(self.seconds, 2),
            "checks": [check.as_data() for check in self.checks],
            "kept": dict(self.kept),
        }
        return json.dumps(data, indent=2)

    def as_text(self) -> str:
        """Return it as a table, then what was worth showing, then what failed and what to do about it."""
        shown = [line for check in self.checks if check.saw.lines for line in ["", *check.saw.lines]]
        return "\n".join([table(_HEAD, map(_row, self.checks)), *shown, *_failures(self.checks), "", self._verdict()])

    def _verdict(self) -> str:
        failed = [check.name for check in self.checks if not check.ok]
        others = [
            f"{check.name}: {check.saw.summary}" for check in self.checks if check.ok and check.result != "passed"
        ]
        if not failed and others:
            passed = f"{self.site}: {len(self.checks) - len(others)} of {len(self.checks)} checks passed"
            return f"{passed} in {self.seconds:.1f} s, and none failed; {'; '.join(others)}"
        if not failed:
            return f"{self.site}: all {len(self.checks)} checks passed in {self.seconds:.1f} s"
        return f"{self.site}: {len(failed)} of {len(self.checks)} checks did not pass: {', '.join(failed)}"


def _row(check: Check) -> tuple[str, str, str, str]:
    time = f"{check.seconds:6.1f} s" if check.result != "skipped" else ""
    seen = check.saw.summary or check.message.splitlines()[0]
    return check.name, check.result, time, seen


def _failures(checks: Sequence[Check]) -> list[str]:
    lines = []
    for check in checks:
        if check.result == "warning" and check.hint:
            lines += ["", f"{check.name}: {check.saw.summary}", f"hint: {check.hint}"]
        if check.result == "failed":
            lines += ["", f"{check.name} failed: {check.message}"]
            lines += [f"at that time: {cause}" for cause in check.causes]
            lines += [f"hint: {check.hint}"] if check.hint else []
    return lines
