"""Nobody reconciles the models of these tests; an operator of a later test on the same control plane would."""

from collections.abc import Iterator

import pytest

from integration.running import Cluster


@pytest.fixture(scope="module", autouse=True)
def leave_no_models(shared: Cluster) -> Iterator[None]:
    """Take away what a module made."""
    yield
    shared.kubectl("delete", "mdep,ikey", "--all", "--all-namespaces", "--wait=false")
