"""Walks the phases."""

from __future__ import annotations

import time
from collections.abc import Sequence

from stackyard.effects.engine import Engine
from stackyard.errors import StackyardError
from stackyard.events import Event, Report
from stackyard.verify.capture import Capture, capturing
from stackyard.verify.cloud import Api, Cloud
from stackyard.verify.context import Run
from stackyard.verify.outcome import Check, Outcome
from stackyard.verify.phases import CLEAN, PHASES, Phase
from stackyard.verify.target import Target


def verify(
    engine: Engine,
    target: Target,
    api: Api,
    report: Report,
    *,
    keep: bool = False,
    phases: Sequence[Phase] = PHASES,
) -> Outcome:
    """Prove a site, and delete what that has made, however it ends, unless it is to be kept."""
    run = Run(target, Cloud(api), report, tuple(Capture(engine, point) for point in target.capture_points))
    begun = time.monotonic()
    checks: list[Check] = []
    try:
        with capturing(run.captures):
            for phase in phases:
                checks.append(_walk(phase, run, checks))
    finally:
        if not keep and _made_something(checks):
            checks.append(_walk(CLEAN, run, []))
    kept = {vm.name: vm.id for vm in run.vms if vm.id} if keep else {}
    return Outcome(target.site, target.tag, tuple(checks), time.monotonic() - begun, kept)


def _made_something(checks: Sequence[Check]) -> bool:
    """Tell whether the phases came so far that there is something to delete."""
    return any(check.name == "sign in" and check.result == "passed" for check in checks)


def _walk(phase: Phase, run: Run, before: Sequence[Check]) -> Check:
    """Run one phase, unless one that it needs did not pass."""
    passed = {check.name for check in before if check.result == "passed"}
    lacking = [need for need in phase.needs if need not in passed]
    if lacking:
        return Check(phase.name, "skipped", message=f"needs: {', '.join(lacking)}")
    run.phase = phase.name
    run.report(Event("started", phase.name))
    begun = time.monotonic()
    try:
        saw = phase.check(run)
    except StackyardError as error:
        seconds = time.monotonic() - begun
        run.report(Event("failed", phase.name, error.message, seconds))
        return Check(phase.name, "failed", seconds, message=error.message, hint=phase.hint)
    seconds = time.monotonic() - begun
    run.report(Event("done", phase.name, saw.summary, seconds))
    return Check(phase.name, "passed", seconds, saw)
