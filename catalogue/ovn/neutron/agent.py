"""Run the OVN agent with its privileged calls in its own process.

oslo.privsep starts a daemon for each group of privileged calls, so that the rest of the agent can do without
privileges: each is a Python process of its own with all of Neutron in it. Here the container has the privileges, and
nothing but the agent is in it, so the daemons would separate it from nothing, for 115 MB and seconds each.
"""

from __future__ import annotations

import sys

from neutron import privileged
from neutron.cmd.agents.ovn_neutron_agent import main
from oslo_privsep.priv_context import PrivContext

for context in vars(privileged).values():
    if isinstance(context, PrivContext):
        context.set_client_mode(enabled=False)

sys.argv[0] = "neutron-ovn-agent"
sys.exit(main())
