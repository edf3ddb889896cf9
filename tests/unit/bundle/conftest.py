"""Sites that are resolved without an engine."""

import pytest

from resolved_sites import resolved
from stackyard.plan.resolved import ResolvedSite


@pytest.fixture(scope="session")
def demo() -> ResolvedSite:
    return resolved("demo")
