"""The Secret of a namespace with the keys that its models take, and how it comes into their pods."""

import base64

from modelyard_operator.api.names import API_KEY_PATH, LABEL_MANAGED_BY, MANAGED_BY
from modelyard_operator.api.upstream import NAMESPACE_ENTRY, NAMESPACE_SECRET, Ring
from modelyard_operator.revision import Resolved

from . import Manifest

VOLUME = "upstream-key"
KEY_VARIABLE = "$(API_KEY_FILE)"


def upstream_secret(namespace: str, ring: Ring) -> Manifest:
    """One key a line."""
    lines = "".join(f"{key}\n" for key in ring.accepted(namespace))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": NAMESPACE_SECRET, "namespace": namespace, "labels": {LABEL_MANAGED_BY: MANAGED_BY}},
        "data": {NAMESPACE_ENTRY: base64.b64encode(lines.encode()).decode()},
    }


def takes_key(resolved: Resolved) -> bool:
    """Whether the runtime asks for a key: only such pods get it."""
    runtime, server = resolved.runtime, resolved.server
    texts = [*runtime.command, *runtime.args, *server.args, *(one.value for one in (*runtime.env, *server.env))]
    return resolved.defaults.upstream_key and any(KEY_VARIABLE in one for one in texts)


def key_file(resolved: Resolved) -> str:
    """Path of the file in the server's container; empty when it gets none."""
    return f"{API_KEY_PATH}/{NAMESPACE_ENTRY}" if takes_key(resolved) else ""


def key_volumes(resolved: Resolved) -> list[Manifest]:
    """The volume. Not optional: a server without its key would let everybody in, or nobody."""
    secret = {"secretName": NAMESPACE_SECRET, "defaultMode": 0o440}
    return [{"name": VOLUME, "secret": secret}] if takes_key(resolved) else []


def key_mounts(resolved: Resolved) -> list[Manifest]:
    """Where the server finds it. A whole folder, since a single file of a Secret is never renewed."""
    return [{"name": VOLUME, "mountPath": API_KEY_PATH, "readOnly": True}] if takes_key(resolved) else []
