"""Which model a request is for. Pure.

`/{namespace}/{name}/v2/…` on any host, or `/v2/…` on host `{name}.{namespace}.DOMAIN`, or `/openai/v1/…` with the model
in the body. Envoy has made the path normal
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

_SHARED = re.compile(r"/openai(/v1/(?:chat/completions|completions|embeddings))", re.ASCII)
_NAMED = re.compile(rf"(?:({_LABEL})/)?({_LABEL})", re.ASCII)
LIST = "/openai/v1/models"


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


class Unclear(Struct, frozen=True):
    """Why a request at the door of all models is for none."""

    reason: Literal["NoSuchPath", "NoModel"]
    message: str


def find_shared(path: str, model: str, home: str) -> Target | Unclear:
    """The model that a request at the door of all models is for, or what is wrong with it.

    `model` is the body's; `home` is the namespace of who asks, empty when they have none. Every server of OpenAI's API
    serves `/v1/…`.
    """
    path = path.partition("?")[0]
    if not (asked := _SHARED.fullmatch(path)):
        return Unclear("NoSuchPath", "here are /openai/v1/ chat/completions, completions, embeddings and models")
    if not (named := _NAMED.fullmatch(model)):
        wanted = 'the body must be application/json with `"model": "NAMESPACE/NAME"`, the name of a ModelDeployment'
        return Unclear("NoModel", wanted)
    if not (namespace := named[1] or home):
        return Unclear("NoModel", f'say in which namespace the model is: `"model": "NAMESPACE/{named[2]}"`')
    return Target(namespace, named[2], asked[1])
