"""Before anything is made: the site as its APIs see it. After: nothing is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from stackyard.effects.web import Answer, ask
from stackyard.errors import StackyardError
from stackyard.plan.resolved import PublicUrl
from stackyard.verify.clean import clean
from stackyard.verify.cloud import Compute
from stackyard.verify.context import Run
from stackyard.verify.outcome import Finding
from stackyard.verify.target import ComputeNode, Target
from stackyard.verify.wait import until

PATIENCE = 3.0
"""Seconds that a public URL has for an answer."""
PAGE_PATIENCE = 20.0
"""Seconds that a page has, which may be the first that its server makes."""
OK, UNAUTHORIZED, NOT_FOUND, SERVER_ERROR = 200, 401, 404, 500


def sign_in(run: Run) -> Finding:
    """The administrator can sign in, and each API answers."""
    found = run.cloud.endpoints()
    return Finding(f"{', '.join(found)} answer", found)


def public_urls(run: Run) -> Finding:
    """What the site is known by leads to it, and what it answers there leads back; only a warning where it does not.

    The proxy, or the record of the name, may be made later, and may not be for this host.
    """
    urls = [url for url in run.target.urls if url.base != url.local]
    with ThreadPoolExecutor(len(urls)) as pool:
        answers = list(pool.map(lambda url: ask(url.url if url.path else f"{url.base}/", PATIENCE), urls))
    problems = {url.url: told for url, answer in zip(urls, answers, strict=True) if (told := _astray(url, answer))}
    if not problems:
        return Finding(", ".join(url.base for url in urls), {url.endpoint: url.url for url in urls})
    reasons: dict[str, list[str]] = {}
    for url, reason in problems.items():
        reasons.setdefault(reason, []).append(url)
    lines = [f"{url}: {reason}" for url, reason in problems.items()]
    most = max(reasons.items(), key=lambda each: len(each[1]))
    return Finding(
        f"{len(problems)} of {len(urls)} do not lead here, {most[1][0]}: {most[0]}", problems, lines, "warning"
    )


def _astray(url: PublicUrl, answer: Answer) -> str:
    """What is wrong with an answer at a public URL, or nothing."""
    if not answer.status or answer.status >= SERVER_ERROR or (url.registered and answer.status == NOT_FOUND):
        return answer.reason or f"HTTP {answer.status}"
    if not url.registered:
        return ""
    try:
        links = [link for link in _links(json.loads(answer.text)) if "://" in link]
    except ValueError:
        return "" if answer.status == UNAUTHORIZED else "the answer is not that of an API"
    wrong = [link for link in links if link != url.base and not link.startswith(f"{url.base}/")]
    return f"links in the answer lead to {wrong[0]}" if wrong else ""


def _links(data: Any) -> Iterator[str]:
    """Where an answer says that itself, or another version, is."""
    if isinstance(data, dict) and data.get("rel") == "self":
        yield str(data.get("href", ""))
    for each in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _links(each)


def pages(run: Run) -> Finding:
    """What is for browsers shows a page, or leads to one."""
    urls = has_pages(run.target)
    problems = {url.base: told for url in urls if (told := _no_page(url))}
    if problems:
        raise StackyardError("; ".join(f"{url}: {told}" for url, told in problems.items()))
    return Finding(", ".join(url.url for url in urls), {url.endpoint: url.url for url in urls})


def has_pages(target: Target) -> list[PublicUrl]:
    """What is published for browsers: not an API, and with a page of its own."""
    return [url for url in target.urls if url.path and not url.registered]


def _no_page(url: PublicUrl) -> str:
    """What is wrong with a page; one that leads to another is followed, where it answers on this host."""
    answer = ask(f"{url.local}{url.path}", PAGE_PATIENCE)
    if answer.location.startswith(("/", url.base)):
        answer = ask(f"{url.local}{answer.location.removeprefix(url.base)}", PAGE_PATIENCE)
    if answer.status != OK:
        return answer.reason or f"HTTP {answer.status}"
    return "" if "<html" in answer.text.lower() else "the answer is no page"


def leftovers(run: Run) -> Finding:
    """Nothing of an earlier run is in the way."""
    found = clean(run.cloud, run.target.tag, run.tell)
    return Finding(
        f"{len(found)} resources removed" if found else "none", {"removed": [resource.name for resource in found]}
    )


def nodes(run: Run) -> Finding:
    """Each compute node is up, and in its availability zone."""
    hosts = run.target.hosts

    def silent() -> str:
        at_work = {
            compute.host for compute in run.cloud.computes(run.target.hypervisor) if compute.up and compute.enabled
        }
        return ", ".join(f"{host.name} is down or disabled" for host in hosts if host.name not in at_work)

    # After a restart, Nova believes in a node only when it has reported, and its libvirt, again.
    until(silent, what="compute nodes", deadline=60, told=run.tell, interval=1)
    known = {compute.host: compute for compute in run.cloud.computes(run.target.hypervisor)}
    problems = [problem for host in hosts for problem in _node(host, known.get(host.name))]
    if problems:
        raise StackyardError("; ".join(problems))
    return Finding(", ".join(f"{host.name} in {host.zone}" for host in hosts), {host.name: host.zone for host in hosts})


def _node(host: ComputeNode, found: Compute | None) -> list[str]:
    if found is None:
        return [f"{host.name} is not registered"]
    problems = [] if found.up and found.enabled else [f"{host.name} is {'disabled' if found.up else 'down'}"]
    if not found.hypervisor:
        problems.append(f"{host.name} has no hypervisor: it is not mapped to a cell")
    if found.zone != host.zone:
        problems.append(f"{host.name} is in the zone {found.zone}, not {host.zone}")
    return problems


def agents(run: Run) -> Finding:
    """Each compute node has network agents, and all of them are alive."""
    hosts = {host.name for host in run.target.hosts}

    def dead() -> str:
        found = [agent for agent in run.cloud.agents() if agent.host in hosts]
        without = [f"{host} has none" for host in sorted(hosts - {agent.host for agent in found})]
        return ", ".join([*without, *(f"{agent.kind} on {agent.host} is dead" for agent in found if not agent.alive)])

    until(dead, what="network agents", deadline=30, told=run.tell, interval=1)
    kinds = sorted({agent.kind for agent in run.cloud.agents() if agent.host in hosts})
    return Finding(f"{', '.join(kinds)} on each node", {"agents": kinds})


def cleaned(run: Run) -> Finding:
    """All that was made can be deleted, and is gone."""
    found = clean(run.cloud, run.target.tag, run.tell)
    return Finding(f"{len(found)} resources deleted", {"deleted": [resource.name for resource in found]})
