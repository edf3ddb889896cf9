"""What the entrypoint itself costs: `run` of `true` with a realistic contract and one template.

Prints the medians of the same run: bare `true`, bare `python3 -IS -c pass`, the entrypoint with and without a
template, and the entrypoint's own cost, which is what it takes beyond bare `true`. Starts are interleaved, so that a
busy machine slows all alike. Needs the jinja2 of the environment that runs it; `--python` names another interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jinja2
import markupsafe

TARGET = 0.2
PACKAGE = Path(__file__).parents[1] / "src" / "stackyard" / "entrypoint"
SERVICES = ("KEYSTONE", "MYSQL", "RABBIT", "GLANCE", "PLACEMENT", "NEUTRON", "CINDER", "MEMCACHED")


def contract() -> dict[str, dict[str, object]]:
    """Forty variables of all kinds, half of them by default from others."""
    variables: dict[str, dict[str, object]] = {"KEYSTONE_SERVER": {"type": "host", "required": True, "help": "Host."}}
    for name in SERVICES[1:]:
        variables[f"{name}_SERVER"] = {"type": "host", "default": "{{ KEYSTONE_SERVER }}", "help": f"Host of {name}."}
    for name in SERVICES:
        variables[f"{name}_PORT"] = {"type": "port", "default": 5000, "help": f"Port of {name}."}
        variables[f"{name}_PASSWORD"] = {"type": "secret", "required": True, "help": f"Password at {name}."}
        variables[f"{name}_DEBUG"] = {"type": "bool", "default": False, "help": f"Debug {name}."}
        variables[f"{name}_URL"] = {
            "type": "url",
            "default": f"http://{{{{ {name}_SERVER }}}}:{{{{ {name}_PORT }}}}",
            "help": f"URL of {name}.",
        }
    return variables


def template() -> str:
    """A configuration file of a hundred lines."""
    return "[DEFAULT]\ndebug = {{ KEYSTONE_DEBUG }}\n" + "".join(
        (
            f"\n[{name.lower()}]\nauth_type = password\nauth_url = {{{{ {name}_URL }}}}\n"
            f"{{% if {name}_DEBUG %}}\nlog_level = debug\n{{% endif %}}\n"
            f"password = {{{{ {name}_PASSWORD }}}}\n"
            f"connection = mysql+pymysql://x:{{{{ {name}_PASSWORD | urlquote }}}}"
            f"@{{{{ MYSQL_SERVER | hostport(MYSQL_PORT) }}}}/{name.lower()}\n"
            "project_name = service\nuser_domain_name = Default\nproject_domain_name = Default\n"
        )
        for name in SERVICES
    )


def image(folder: Path, *, templates: bool) -> Path:
    """The container folder of an image that runs `true`."""
    (folder / "templates").mkdir(parents=True)
    (folder / "templates" / "bench.conf.j2").write_text(template())
    rendered = {"/etc/bench/bench.conf": {"source": "bench.conf.j2", "mode": "0400"}} if templates else {}
    data = {"version": 2, "image": "bench", "contract": contract(), "templates": rendered, "command": ["true"]}
    (folder / "container.json").write_text(json.dumps(data))
    return folder


def installed(folder: Path) -> Path:
    """The launcher, with the folders of an image beside it, compiled as in an image."""
    shutil.copytree(PACKAGE, folder / "app" / "stackyard_entrypoint", ignore=shutil.ignore_patterns("__pycache__"))
    for module in (jinja2, markupsafe):
        source = Path(str(module.__file__)).parent
        shutil.copytree(source, folder / "lib" / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    launcher = folder / "launcher"
    text = (PACKAGE / "launcher").read_text()
    launcher.write_text(text.replace("/opt/stackyard/", f"{folder}/"))
    return launcher


def environment(folder: Path, container: Path) -> dict[str, str]:
    """What the container is given: a secret file each, and the one required host."""
    secret = folder / "secret"
    secret.write_text("s3cr@t/of+the:day\n")
    files = {f"{name}_PASSWORD_FILE": str(secret) for name in SERVICES}
    known = {"PATH": os.environ["PATH"], "KEYSTONE_SERVER": "192.0.2.10"}
    return {**known, **files, "STACKYARD_CONTAINER": str(container), "STACKYARD_ROOT": str(folder / "root")}


def seconds(argv: list[str], env: dict[str, str]) -> float:
    """One start, from spawn to end."""
    start = time.perf_counter()
    subprocess.run(argv, env=env, check=True)
    return time.perf_counter() - start


def measure(python: str, count: int) -> dict[str, float]:
    """Median seconds of each way to start."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        launcher = installed(folder)
        subprocess.run([python, "-m", "compileall", "-q", folder / "lib", folder / "app"], check=True)
        entrypoint = [python, "-IS", str(launcher), "run"]
        with_template = environment(folder, image(folder / "with", templates=True))
        without = environment(folder, image(folder / "without", templates=False))
        ways = {
            "true": (["true"], with_template),
            "python3 -IS -c pass": ([python, "-IS", "-c", "pass"], with_template),
            "entrypoint, no template": (entrypoint, without),
            "entrypoint, one template": (entrypoint, with_template),
        }
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(count + 1):
            for way, (argv, env) in ways.items():
                shutil.rmtree(folder / "root", ignore_errors=True)
                elapsed = seconds(argv, env)
                if turn:  # the first fills the page cache
                    taken[way].append(elapsed)
    return {way: statistics.median(values) for way, values in taken.items()}


def main() -> int:
    """Print the figures; 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="/usr/bin/python3", help="interpreter, default %(default)s")
    parser.add_argument("--count", type=int, default=30, help="starts of each kind, default %(default)s")
    options = parser.parse_args()
    medians = measure(options.python, options.count)
    for way, value in medians.items():
        print(f"{way:<26} {value * 1000:7.1f} ms")
    own = medians["entrypoint, one template"] - medians["true"]
    beyond = medians["entrypoint, one template"] - medians["python3 -IS -c pass"]
    print(f"{'own cost':<26} {own * 1000:7.1f} ms   ({beyond * 1000:.1f} ms beyond a bare Python; target {TARGET} s)")
    return int(own > TARGET)


if __name__ == "__main__":
    sys.exit(main())
