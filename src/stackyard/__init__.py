"""Stackyard: build, configure and run OpenStack as Docker containers."""

__version__ = "0.1.0"
