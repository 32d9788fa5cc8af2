"""The distribution's packages that the cluster needs, and their installation."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from .commands import run_logged
from .errors import LocalError
from .nodefiles import CNI_PLUGINS


@dataclass(frozen=True)
class Package:
    """A Debian package and a file that proves it is there: a program's name or an absolute path."""

    name: str
    proof: str

    def is_installed(self) -> bool:
        """Return whether the proof exists."""
        return Path(self.proof).exists() if self.proof.startswith("/") else shutil.which(self.proof) is not None


PACKAGES = (
    Package("containerd", "containerd"),
    Package("runc", "runc"),
    Package("containernetworking-plugins", str(CNI_PLUGINS / "bridge")),
    Package("conntrack", "conntrack"),
    Package("iptables", "iptables-restore"),
    Package("iproute2", "ip"),
    Package("openssl", "openssl"),
    Package("buildah", "buildah"),
    Package("debootstrap", "debootstrap"),
)


def missing() -> list[str]:
    """Return the names of the packages that are not installed."""
    return [package.name for package in PACKAGES if not package.is_installed()]


def ensure(log: Path) -> str:
    """Install what is missing with apt-get; return what was installed."""
    wanted = missing()
    if not wanted:
        return ""
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run_logged(["apt-get", "update", "--quiet"], log, env=quiet)
    run_logged(["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *wanted], log, env=quiet)
    still = missing()
    if still:
        raise LocalError(f"apt-get ran, but these packages brought no program: {', '.join(still)}", log=log)
    return f"installed {', '.join(wanted)}"
