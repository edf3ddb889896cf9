"""Run the OVN agent with its privileged calls in its own process, and with a queue for those who ask for metadata.

oslo.privsep starts a daemon for each group of privileged calls, so that the rest of the agent can do without
privileges: each is a Python process of its own with all of Neutron in it. Here the container has the privileges, and
nothing but the agent is in it, so the daemons would separate it from nothing, for 115 MB and seconds each.

Neutron reads how many may wait at the socket of metadata (`metadata_backlog`) when the socket is open already, with
five places; whoever comes sixth gets a 503 from HAProxy.
"""

from __future__ import annotations

import sys

from neutron import privileged
from neutron.agent.metadata.proxy_base import MetadataProxyServer
from neutron.cmd.agents.ovn_neutron_agent import main
from oslo_privsep.priv_context import PrivContext

for context in vars(privileged).values():
    if isinstance(context, PrivContext):
        context.set_client_mode(enabled=False)

MetadataProxyServer.request_queue_size = 4096  # what the option says by default
sys.argv[0] = "neutron-ovn-agent"
sys.exit(main())
