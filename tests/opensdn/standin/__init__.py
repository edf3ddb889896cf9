"""Stand-ins for OpenSDN's programs: for tests only, where the published images cannot be had.

They take upstream's environment and files, connect to real servers, open upstream's ports and answer its introspect;
they do not move a packet. What each of them is stands in images.yaml.
"""
