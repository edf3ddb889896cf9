"""A resolved site as files: for each node, compose directories that a person can use by hand."""

from stackyard.bundle.bundle import Bundle, bundle
from stackyard.bundle.file import File

__all__ = ["Bundle", "File", "bundle"]
