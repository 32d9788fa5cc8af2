"""Credentials: a mounted Secret (one file per key) over the environment. Values never reach a message."""

from collections.abc import Mapping
from pathlib import Path

S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL")
HTTPS_KEYS = ("TOKEN", "USERNAME", "PASSWORD", "CA_CERT")
# Set by clusters that give pods a cloud identity; the store then finds its own credentials.
IDENTITY_KEYS = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


class Credentials:
    """Key-value pairs; `repr` shows names only."""

    def __init__(self, values: Mapping[str, str], from_secret: tuple[str, ...]) -> None:
        self._values = dict(values)
        self.from_secret = from_secret

    def get(self, key: str) -> str:
        """The value, or an empty string."""
        return self._values.get(key, "")

    @property
    def has_s3_keys(self) -> bool:
        """Is there a key pair to sign with?"""
        return bool(self.get("AWS_ACCESS_KEY_ID") and self.get("AWS_SECRET_ACCESS_KEY"))

    @property
    def has_identity(self) -> bool:
        """Does the cluster give this pod a cloud identity?"""
        return any(self.get(key) for key in IDENTITY_KEYS)

    def describe(self, wanted: tuple[str, ...]) -> str:
        """For error messages: which of the wanted keys the Secret holds, by name."""
        found = [key for key in wanted if key in self.from_secret]
        others = [key for key in self.from_secret if key not in wanted]
        if not self.from_secret:
            from_env = [key for key in wanted[:2] if self.get(key)]
            return (
                f"credentials came from the environment ({', '.join(from_env)})" if from_env else "no Secret is mounted"
            )
        text = f"the Secret holds {', '.join(found) or 'none of ' + ', '.join(wanted)}"
        return text + (f" (and unused {', '.join(others)})" if others else "")

    def __repr__(self) -> str:
        return f"Credentials({', '.join(sorted(self._values))})"


def read(directory: Path | None, env: Mapping[str, str]) -> Credentials:
    """Secret keys beat the environment; empty values count as absent."""
    values = {key: env[key] for key in (*S3_KEYS, *IDENTITY_KEYS) if env.get(key)}
    secret: dict[str, str] = {}
    if directory is not None and directory.is_dir():
        # Kubernetes keeps the real files in `..data`; the visible names are links to them.
        for path in sorted(directory.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                text = path.read_text(encoding="utf-8", errors="replace").strip()
                if text:
                    secret[path.name] = text
    return Credentials({**values, **secret}, tuple(secret))
