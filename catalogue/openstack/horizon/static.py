"""What Horizon's static files were made with. It holds at build and at run time: both must compute the same names.

Horizon executes it after local_settings.py. One theme only: with several, the files of all but the last are not made.
"""

AVAILABLE_THEMES = [("default", "Default", "themes/default")]
STATIC_ROOT = "/usr/share/openstack-dashboard/static"
WEBROOT = "/"
COMPRESS_ENABLED = True
COMPRESS_OFFLINE = True
