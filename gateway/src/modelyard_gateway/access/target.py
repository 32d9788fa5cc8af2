"""Which model a request is for. Pure.

`/{namespace}/{name}/v2/…` on any host, or `/v2/…` on host `{name}.{namespace}.DOMAIN`. Envoy has made the path normal
before we see it (RFC 3986, with slashes merged, and escaped slashes refused) and forwards what we make of it, so there
is one reading of it.
"""

import re
from typing import Literal

from msgspec import Struct

Protocol = Literal["http", "grpc"]

_LABEL = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_MODEL = re.compile(rf"/({_LABEL})/({_LABEL})(/.*)", re.ASCII)
_HOST = re.compile(rf"({_LABEL})\.({_LABEL})\.(.+)", re.ASCII)
# What clients of a model need. Its metrics, its documentation and the loading of models are none of theirs.
_SERVED = re.compile(r"/(?:v2|v1/models|v1/chat|v1/completions|v1/embeddings|openai/v1)(?:/.*)?", re.ASCII)
_KEPT = re.compile(r"/v2/repository(?:/.*)?", re.ASCII)
_GRPC_SERVED = re.compile(r"/(?:inference\.GRPCInferenceService/(?!Repository)|grpc\.health\.v1\.Health/)\w+", re.ASCII)


class Target(Struct, frozen=True):
    """A model, and what is asked of it."""

    namespace: str
    name: str
    path: str
    protocol: Protocol = "http"


def find(path: str, host: str, content_type: str, domain: str) -> Target | None:
    """The model that a request is for; None when it is for none, or for something that is not for clients."""
    path = path.partition("?")[0]
    host = host.partition(":")[0].lower()
    protocol: Protocol = "grpc" if content_type.startswith("application/grpc") else "http"
    if domain and (found := _HOST.fullmatch(host)) and found[3] == domain:
        name, namespace, rest = found[1], found[2], path
    elif protocol == "http" and (found := _MODEL.fullmatch(path)):
        namespace, name, rest = found[1], found[2], found[3]
    else:
        return None
    if protocol == "grpc":
        served = _GRPC_SERVED.fullmatch(rest)
    else:
        served = None if _KEPT.fullmatch(rest) else _SERVED.fullmatch(rest)
    return Target(namespace, name, rest, protocol) if served else None
