"""Where the API server is and who we are: the pod's service account, or a kubeconfig outside the cluster."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# The kubelet rotates the token file long before it expires; reading it this often is enough and costs nothing.
TOKEN_SECONDS = 60.0


class Credentials(Struct, kw_only=True):
    """A server, how to trust it, and a token that may rotate."""

    server: str
    context: ssl.SSLContext
    token: str = ""
    token_file: Path | None = None
    # A plugin that prints a token; it may ask another machine, so it never runs in the event loop.
    plugin: Callable[[], str] | None = None
    namespace: str = "default"
    read_at: float = 0.0
    clock: Callable[[], float] = time.monotonic

    def authorization(self) -> Mapping[str, str]:
        """The header to send now."""
        if self.token_file is not None and self.clock() - self.read_at > TOKEN_SECONDS:
            self._read()
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    async def refresh(self) -> None:
        """Get the token again, as after an answer 401. CredentialsError when there is none to be had."""
        if self.plugin is not None:
            self.token = await asyncio.to_thread(self.plugin)
        else:
            self._read()

    def _read(self) -> None:
        if self.token_file is not None:
            self.token = self.token_file.read_text().strip()
            self.read_at = self.clock()


class CredentialsError(Exception):
    """There are no usable credentials; the message says where they were sought."""


def in_cluster(environment: Mapping[str, str], folder: Path = SERVICE_ACCOUNT) -> Credentials:
    """Credentials of the pod's service account."""
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    return Credentials(
        server=f"https://{host}:{port}",
        context=ssl.create_default_context(cafile=str(folder / "ca.crt")),
        token_file=folder / "token",
        namespace=(folder / "namespace").read_text().strip(),
        read_at=-TOKEN_SECONDS,
    )
