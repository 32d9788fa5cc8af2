"""The operator makes and hands out the keys that models take, with the rights that the chart gives it."""

import base64

import pytest

from chart.rendering import NAMESPACE
from integration.running import MODELS, Cluster, Operator, eventually, model
from modelyard_operator.api import upstream

pytestmark = pytest.mark.integration

SECRETS = "/api/v1/namespaces/{}/secrets/{}"


def test_a_namespace_with_a_model_gets_the_key_that_the_gateway_shows(
    shared: Cluster, operator: Operator, namespace: str
) -> None:
    shared.plane.client().request("POST", MODELS.format(namespace), model(namespace))
    handed = eventually(lambda: shared.get(SECRETS.format(namespace, upstream.NAMESPACE_SECRET)))
    master = shared.found(SECRETS.format(NAMESPACE, "modelyard-upstream"))
    ring = upstream.read(base64.b64decode(master["data"][upstream.MASTER_ENTRY]))
    assert handed is not None
    keys = base64.b64decode(handed["data"][upstream.NAMESPACE_ENTRY]).decode().split()
    assert keys == ring.accepted(namespace)


@pytest.mark.parametrize(
    ("verb", "name", "place"),
    [
        ("get", upstream.NAMESPACE_SECRET, "default"),
        ("list", "", "default"),
        ("get", "another", NAMESPACE),
    ],
)
def test_the_operator_may_not_read_any_other_secret(shared: Cluster, verb: str, name: str, place: str) -> None:
    who = f"--as=system:serviceaccount:{NAMESPACE}:modelyard-operator"
    what = f"secrets/{name}" if name else "secrets"
    assert shared.kubectl("auth", "can-i", verb, what, "-n", place, who, check=False).stdout.strip() == "no"


def test_a_public_model_is_refused_where_the_chart_does_not_allow_it(shared: Cluster, namespace: str) -> None:
    document = model(namespace, access={"mode": "Public"})
    # The API server takes a moment to know a policy.
    eventually(lambda: "Public is not allowed in this cluster" in shared.refusal(document))
