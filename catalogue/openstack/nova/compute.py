"""Run nova-compute with its privileged calls in its own process.

oslo.privsep starts a daemon for each group of privileged calls, so that the rest of nova-compute can do without
privileges: each is a Python process of its own with all of Nova in it. Here the container has the privileges, and
nothing but nova-compute is in it, so the daemons would separate it from nothing, and cost memory and the first VM
of a node seconds.
"""

from __future__ import annotations

import importlib
import sys

from nova.cmd.compute import main

for module, context in (
    ("nova.privsep", "sys_admin_pctxt"),
    ("vif_plug_ovs.privsep", "vif_plug"),
    ("os_brick.privileged", "default"),
):
    getattr(importlib.import_module(module), context).set_client_mode(enabled=False)

sys.argv[0] = "nova-compute"
sys.exit(main())
