"""Merging the user's podTemplate into the rendered one, as a strategic merge patch would."""

from collections.abc import Mapping
from typing import Any

# Lists whose items are matched by a key, as in Kubernetes' own merge keys; other lists are replaced whole.
_KEYED = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
    "resourceClaims": "name",
}


def merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `patch` laid over it; null removes a field. Neither input is changed."""
    result = dict(base)
    for key, value in patch.items():
        present = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(present, Mapping):
            result[key] = merged(present, value)
        elif key in _KEYED and isinstance(value, list) and isinstance(present, list):
            result[key] = _merged_list(present, value, _KEYED[key])
        else:
            result[key] = value
    return result


def _merged_list(base: list[Any], patch: list[Any], key: str) -> list[Any]:
    result = list(base)
    position = {name: index for index, item in enumerate(base) if isinstance(name := item.get(key), str)}
    for item in patch:
        name = item.get(key) if isinstance(item, Mapping) else None
        index = position.get(name) if isinstance(name, str) else None
        if index is None:
            result.append(item)
        else:
            result[index] = merged(result[index], item)
    return result
