"""Runs in Keystone's image: accounts.py several times, on a database in a file; prints what is there after each."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

DATABASE = "/tmp/keystone.db"  # noqa: S108 - in the container
CONFIG = f"[database]\nconnection = sqlite:///{DATABASE}\n[cache]\nenabled = false\n"
SCRIPT = ("/opt/venv/bin/python", "/opt/stackyard/container/accounts.py")
ENDPOINTS = (
    "SELECT s.type, interface, region_id, url FROM endpoint e JOIN service s ON s.id = e.service_id ORDER BY 1, 2, 3"
)
NAMES = {
    "regions": "SELECT id FROM region ORDER BY 1",
    "users": "SELECT name FROM local_user ORDER BY 1",
    "hashes": "SELECT u.name || ' ' || substr(p.password_hash, 1, 7) FROM password p JOIN local_user u"
    " ON u.id = p.local_user_id WHERE p.expires_at_int IS NULL ORDER BY 1",
    "projects": "SELECT name FROM project WHERE NOT is_domain ORDER BY 1",
    "services": "SELECT type FROM service ORDER BY 1",
    "ids": "SELECT id FROM endpoint UNION SELECT id FROM user UNION SELECT id FROM service ORDER BY 1",
}


def main() -> None:
    """Do what each step of stdin says: `sql`, or `accounts` as accounts.json has them."""
    Path("/etc/keystone/keystone.conf").resolve().parent.mkdir(parents=True, exist_ok=True)
    Path("/etc/keystone/keystone.conf").write_text(CONFIG)
    Path("/etc/keystone/accounts.json").resolve().parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["/opt/venv/bin/keystone-manage", "db_sync"], check=True, capture_output=True)
    for step in json.load(sys.stdin):
        connection = sqlite3.connect(DATABASE)
        for statement in step.get("sql", ()):
            connection.execute(statement)
        connection.commit()
        if "accounts" in step:
            Path("/etc/keystone/accounts.json").write_text(json.dumps(step["accounts"]))
            done = subprocess.run(SCRIPT, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
        seen = {name: [row[0] for row in connection.execute(query)] for name, query in NAMES.items()}
        sys.stdout.write(json.dumps({**seen, "endpoints": connection.execute(ENDPOINTS).fetchall()}) + "\n")
        connection.close()


if __name__ == "__main__":
    main()
