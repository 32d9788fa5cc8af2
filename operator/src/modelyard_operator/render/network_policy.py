"""The NetworkPolicy of a namespace with models: clients may reach the serving ports, and nothing else."""

from collections.abc import Sequence

from modelyard_operator.api.names import ANNOTATION_UPSTREAM, LABEL_MANAGED_BY, MANAGED_BY, NETWORK_POLICY

from . import Manifest
from .metadata import stamp


def network_policy(namespace: str, clients: Sequence[Manifest] = (), keys: str = "") -> Manifest:
    """One policy for all models of the namespace. It belongs to no single model, so it has no owner.

    `clients` are NetworkPolicyPeers; without any, everybody is one. `keys` tells which upstream keys the namespace's
    Secret holds: the operator may not read that one.
    """
    rule: Manifest = {"ports": [{"protocol": "TCP", "port": name} for name in ("http", "grpc")]}
    if clients:
        rule["from"] = list(clients)
    return stamp(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {
                "name": NETWORK_POLICY,
                "namespace": namespace,
                "labels": {LABEL_MANAGED_BY: MANAGED_BY},
                "annotations": {ANNOTATION_UPSTREAM: keys} if keys else {},
            },
            "spec": {
                "podSelector": {"matchLabels": {LABEL_MANAGED_BY: MANAGED_BY}},
                "policyTypes": ["Ingress"],
                "ingress": [rule],
            },
        }
    )
