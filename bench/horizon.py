"""How soon the dashboard shows its first page, with the styles and scripts that it needs, after it is ready.

The site has `containers: {horizon: true}` and is up. The container is started anew for each run; what that takes, until
its probe says that it works, is printed and is not the figure. The figure is the worst of the runs. Needs root. Exits 1
when the bound is missed.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import time

import requests
from figure import Figure, arguments, show

from stackyard.catalogue import load_site, site_path
from stackyard.effects.engine import Engine

BOUND = 2.0
START_SECONDS = 120
PARTS = re.compile(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"')


def fetched(url: str, seconds: float = 30) -> str:
    """The text of a page. Raises requests.RequestException."""
    answer = requests.get(url, timeout=seconds)
    answer.raise_for_status()
    return answer.text


def started(engine: Engine, container: str, url: str) -> float:
    """Seconds from the start of the container until it works."""
    begun = time.monotonic()
    engine.ask("restart", container)
    while time.monotonic() - begun < START_SECONDS:
        try:
            fetched(f"{url}/healthcheck", 10)
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return time.monotonic() - begun
    sys.exit(f"{container} does not work {START_SECONDS} s after its start")


def first_page(url: str) -> tuple[float, int]:
    """Seconds that the page takes with all that it names, and the number of files."""
    begun = time.monotonic()
    parts = PARTS.findall(fetched(f"{url}/auth/login/"))
    for part in parts:
        fetched(url + part)
    return time.monotonic() - begun, 1 + len(parts)


def main() -> int:
    """Measure; 0 when the bound is kept."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=3, help="starts, default %(default)s")
    options = parser.parse_args()
    site, engine = load_site(site_path(options.site)).site, Engine()
    names = engine.ask("ps", "--filter", f"label=stackyard.site={site}", "--format", "{{.Names}}").split()
    container = next((name for name in names if name.endswith("-horizon")), None)
    if container is None:
        sys.exit(f"the site {site} runs no dashboard: `containers: {{horizon: true}}`, then `stackyard up`")
    environment = json.loads(engine.ask("inspect", "--format", "{{json .Config.Env}}", container))
    url = dict(each.split("=", 1) for each in environment)["PUBLIC_URL"].rstrip("/")
    starts, pages = [], []
    for _run in range(options.runs):
        starts.append(started(engine, container, url))
        pages.append(first_page(url))
    lines = [
        f"{'from start to ready, median':<34} {statistics.median(starts):7.2f} s",
        f"{'files of the first page':<34} {pages[0][1]:7d}",
    ]
    figures = [Figure("the first page after the start", max(seconds for seconds, _ in pages), "s", BOUND)]
    return show(options.output, figures, lines, {"starts": starts})


if __name__ == "__main__":
    sys.exit(main())
