"""Bundles onto nodes: observe, walk the plan, wait until everything is ready."""
