"""The only reader of YAML: the catalogue, structures and sites; errors carry file, line and path."""

from stackyard.catalogue.catalogue import Catalogue
from stackyard.catalogue.load import load, load_structure, releases, sdns
from stackyard.catalogue.root import catalogue_root
from stackyard.catalogue.sites import load_site, open_site, site_path

__all__ = [
    "Catalogue",
    "catalogue_root",
    "load",
    "load_site",
    "load_structure",
    "open_site",
    "releases",
    "sdns",
    "site_path",
]
