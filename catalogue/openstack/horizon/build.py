"""Settings in whose place those of a site come: enough to make static files, and no server at hand."""

SECRET_KEY = "of a build"  # noqa: S105 - signs nothing that leaves it
ALLOWED_HOSTS = ["localhost"]
# Templates are kept in a cache while they are compressed; what cannot be kept is left out, and nothing is said.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
