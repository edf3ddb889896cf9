"""Sites that are resolved without an engine."""

import pytest

from resolved_sites import TOY, Resolve, resolved
from stackyard.plan.resolved import ResolvedSite


@pytest.fixture
def toy() -> Resolve:
    """The toy site, with top-level keys changed."""
    return lambda **changes: resolved("toy", TOY, **changes)


@pytest.fixture(scope="session")
def demo() -> ResolvedSite:
    return resolved("demo")
