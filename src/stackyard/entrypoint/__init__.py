"""The small program inside every image: it turns the environment into configuration and starts the process.

Runs on Python 3.9 and later with the standard library, jinja2 and, for bootstrap markers, pymysql; those two are
imported only where they are needed, since every container start and every health check pays for imports. Imports
are relative, because the same files are ``stackyard_entrypoint`` in an image and ``stackyard.entrypoint`` in the tool.
"""
