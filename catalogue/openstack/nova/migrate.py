"""Migrate Nova's databases and map its cells, in one process.

The mappings are templates (`{scheme}://{username}:…`): each process fills in its own connection, so
no password or address is stored, and a changed one needs no step here. Safe to run again.
"""

from __future__ import annotations

import sys

DATABASE = "{scheme}://{username}:{password}@{hostname}:{port}/{path}?{query}"
TRANSPORT = "{scheme}://{username}:{password}@{hostname}:{port}/{path}"
ALREADY_MAPPED = 2


def main() -> int:
    """Run the steps of `nova-manage`, in its order."""
    sys.argv = ["nova-manage"]
    from nova import config, objects  # noqa: PLC0415 - Nova reads sys.argv when it is imported
    from nova.cmd import manage  # noqa: PLC0415

    config.parse_args(sys.argv)
    objects.register_all()
    cells = manage.CellV2Commands()
    codes = [
        manage.ApiDbCommands().sync(),
        cells.map_cell0(database_connection=DATABASE.replace("{path}", "{path}_cell0")),
        manage.DbCommands().sync(),
    ]
    created = cells.create_cell(name="cell1", database_connection=DATABASE, transport_url=TRANSPORT)
    codes.append(0 if created == ALREADY_MAPPED else created)
    return max(code or 0 for code in codes)


if __name__ == "__main__":
    sys.exit(main())
