"""What the checks found, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from stackyard.table import table

Result = Literal["passed", "failed", "skipped"]

_HEAD = ("CHECK", "RESULT", "TIME", "SEEN")


@dataclass(frozen=True)
class Finding:
    """What a check that passed has seen: in a few words, in detail, and as lines worth showing."""

    summary: str
    details: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[str] = ()


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

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "name": self.name,
            "ok": self.result == "passed",
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
        """Whether nothing failed and nothing was skipped."""
        return all(check.result == "passed" for check in self.checks)

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
        failed = [check.name for check in self.checks if check.result != "passed"]
        if not failed:
            return f"{self.site}: all {len(self.checks)} checks passed in {self.seconds:.1f} s"
        return f"{self.site}: {len(failed)} of {len(self.checks)} checks did not pass: {', '.join(failed)}"


def _row(check: Check) -> tuple[str, str, str, str]:
    time = f"{check.seconds:6.1f} s" if check.result != "skipped" else ""
    seen = check.saw.summary if check.result == "passed" else check.message.splitlines()[0]
    return check.name, check.result, time, seen


def _failures(checks: Sequence[Check]) -> list[str]:
    lines = []
    for check in checks:
        if check.result == "failed":
            lines += ["", f"{check.name} failed: {check.message}"]
            lines += [f"at that time: {cause}" for cause in check.causes]
            lines += [f"hint: {check.hint}"] if check.hint else []
    return lines
