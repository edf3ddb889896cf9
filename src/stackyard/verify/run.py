"""Walks the phases."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from stackyard.effects.engine import Engine
from stackyard.errors import StackyardError
from stackyard.events import Event, Report
from stackyard.verify.capture import Capture
from stackyard.verify.clean import DEADLINE as CLEANING
from stackyard.verify.cloud import Api, Cloud
from stackyard.verify.context import Run
from stackyard.verify.outcome import Check, Outcome
from stackyard.verify.phases import CLEAN, PHASES, Phase
from stackyard.verify.target import Target

DEADLINE = 900

Causes = Callable[[], Sequence[str]]
"""Tells what of the site does not work, a line for each."""


def verify(
    engine: Engine,
    target: Target,
    api: Api,
    report: Report,
    *,
    keep: bool = False,
    phases: Sequence[Phase] = PHASES,
    deadline: float = DEADLINE,
    causes: Causes = tuple,
) -> Outcome:
    """Prove a site within so many seconds, and delete what that has made, however it ends, unless it is to be kept.

    Deleting has a deadline of its own. ``causes`` is asked when a check fails.
    """
    captures = tuple(Capture(engine, point) for point in target.capture_points)
    run = Run(target, Cloud(api, volumes=target.volumes, public=bool(target.public)), report, captures, causes)
    begun = time.monotonic()
    run.cloud.limit("the proof", deadline)
    checks: list[Check] = []
    try:
        for phase in (each for each in phases if each.applies(target)):
            checks.append(_walk(phase, run, checks))
    finally:
        for capture in run.captures:
            capture.stop()
        if not keep and _made_something(checks):
            run.cloud.limit("deleting", CLEANING)
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
    if lacking or run.cloud.late:
        return Check(phase.name, "skipped", message=run.cloud.late or f"needs: {', '.join(lacking)}")
    run.phase = phase.name
    run.report(Event("started", phase.name))
    begun = time.monotonic()
    try:
        saw = phase.check(run)
    except StackyardError as error:
        seconds = time.monotonic() - begun
        run.report(Event("failed", phase.name, error.message, seconds))
        return Check(phase.name, "failed", seconds, message=error.message, hint=phase.hint, causes=_causes(run))
    seconds = time.monotonic() - begun
    told = saw.summary if saw.result == "passed" else f"{saw.result}: {saw.summary}"
    run.report(Event("done", phase.name, told, seconds))
    return Check(phase.name, saw.result, seconds, saw, hint=phase.hint if saw.result == "warning" else "")


def _causes(run: Run) -> tuple[str, ...]:
    """What does not work now, so far as anybody can tell."""
    try:
        return tuple(run.causes())
    except StackyardError as error:
        return (error.message,)
