"""The local image store: buildah with its own root, so that nobody else's images are touched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .commands import run, run_logged, succeeds

_CERTIFICATES = "/etc/ssl/certs"


class Store:
    """Images and working containers below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._policy = folder / "policy.json"
        self._buildah = ["buildah", "--root", str(folder / "root"), "--runroot", str(folder / "run")]

    def has(self, reference: str) -> bool:
        """Return whether the store holds an image."""
        return succeeds([*self._buildah, "inspect", "--type", "image", reference])

    def build(self, reference: str, context: Path, arguments: dict[str, str], log: Path) -> None:
        """Build `context/Dockerfile`; layers that did not change are reused."""
        pairs = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        run_logged(
            [
                *self._buildah,
                "bud",
                "--layers",
                "--isolation=chroot",
                "--network=host",
                f"--signature-policy={self._write_policy()}",
                *(["--volume", f"{_CERTIFICATES}:{_CERTIFICATES}:ro"] if Path(_CERTIFICATES).is_dir() else []),
                *pairs,
                f"--tag={reference}",
                str(context),
            ],
            log,
        )

    def push(self, reference: str, target: str, log: Path) -> None:
        """Push an image; only a registry on loopback may be without TLS."""
        plain = target.startswith(("127.0.0.1:", "localhost:"))
        options = [f"--tls-verify={'false' if plain else 'true'}", f"--signature-policy={self._write_policy()}"]
        run_logged([*self._buildah, "push", "--quiet", *options, reference, f"docker://{target}"], log)

    @contextmanager
    def container(self, image: str) -> Iterator[str]:
        """Give a working container that is removed at the end."""
        name = run([*self._buildah, "from", f"--signature-policy={self._write_policy()}", image]).strip()
        try:
            yield name
        finally:
            run([*self._buildah, "rm", name])

    def mount(self, container: str) -> Path:
        """Return the folder where a container's files are."""
        return Path(run([*self._buildah, "mount", container]).strip())

    def configure(self, container: str, options: Sequence[str]) -> None:
        """Set what the image says about itself."""
        run([*self._buildah, "config", *options, container])

    def commit(self, container: str, reference: str) -> None:
        """Make an image of a working container."""
        run([*self._buildah, "commit", "--quiet", f"--signature-policy={self._write_policy()}", container, reference])

    def _write_policy(self) -> Path:
        """Write the trust policy: these images are our own, there are no signatures to check."""
        if not self._policy.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        return self._policy
