"""The guest: a small image of Linux for VMs, which `verify` boots and every cloud with contents has."""
