"""Image builds, pushes, and the references to use.

An image's tag ends in the hash of its content (0.1.0-0123456789ab): with `imagePullPolicy: IfNotPresent`
a node would never fetch a new image under an old tag. The plain tag 0.1.0 is pushed as well.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import baseimage, context, layout
from .errors import LocalError
from .paths import Paths
from .store import Store
from .tools import ToolBox

VERSION = "0.1.0"
REPOSITORY = "modelyard"


@dataclass(frozen=True)
class Image:
    """An image of the project.

    `tools` are binaries that its context gets as `.tools/NAME`. `parent` is the argument of its Dockerfile that
    takes another of our images, and that image's name.
    """

    name: str
    dockerfile: str
    tools: tuple[str, ...] = ()
    from_base: bool = True
    parent: tuple[str, str] | None = None


PAUSE = Image("pause", "local/images/pause/Dockerfile", ("pause",), from_base=False)
IMAGES = (
    PAUSE,
    Image("object-store", "local/images/object-store/Dockerfile", ("versitygw",), from_base=False),
    Image("operator", "operator/Dockerfile"),
    Image("gateway", "gateway/Dockerfile"),
    Image("model-server", "model-server/Dockerfile"),
    Image("word-scores", "examples/word-scores/Dockerfile", parent=("MODEL_SERVER", "model-server")),
    Image("trainer", "trainer/Dockerfile", from_base=False, parent=("MODEL_SERVER", "model-server")),
)
PYTHON = "python"
"""The base image itself, pushed too: a client inside the cluster."""

NAMES = (PYTHON, *(image.name for image in IMAGES))


def references(paths: Paths | None = None) -> dict[str, str]:
    """Return image name -> full reference with content tag, of all images built for the local registry."""
    file = (paths or Paths.from_env(os.environ)).images / "images.json"
    try:
        loaded: dict[str, str] = json.loads(file.read_text())
    except FileNotFoundError as error:
        raise LocalError(f"no images built yet ({file} is missing); run `python3 -m modelyard_local images`") from error
    return loaded


class Builder:
    """Builds images and pushes them to one registry."""

    def __init__(self, paths: Paths, tools: ToolBox, registry: str = layout.REGISTRY) -> None:
        self._paths = paths
        self._tools = tools
        self._registry = registry
        self._store = Store(paths.images / "buildah")

    def base(self) -> str:
        """Make the base image; return what was done."""
        if self._store.has(baseimage.reference()):
            return ""
        baseimage.build(self._store, self._log("base"))
        return f"{baseimage.SUITE} with Python {baseimage.PYTHON}"

    def needs(self, name: str) -> tuple[str, ...]:
        """Return the steps that must come before an image's, apart from the registry's."""
        image = None if name == PYTHON else _image(name)
        return ("base image",) if image is None or image.from_base or image.parent else ()

    def reference(self, name: str) -> str:
        """Return the reference that an image has, or would have once built."""
        tag = (
            f"{baseimage.PYTHON}-{baseimage.key()}" if name == PYTHON else f"{VERSION}-{self._inputs(_image(name))[1]}"
        )
        return f"{self._registry}/{REPOSITORY}/{name}:{tag}"

    def build(self, name: str) -> str:
        """Build and push one image unless the registry has it; return what was done."""
        if name != PYTHON and not self._dockerfile(_image(name)).exists():
            return f"skipped: there is no {_image(name).dockerfile}"
        wanted = self.reference(name)
        outcome = ""
        if not self._is_pushed(wanted):
            local = baseimage.reference() if name == PYTHON else self._build(_image(name))
            self._store.push(local, wanted, self._log(name))
            self._store.push(local, f"{wanted.rsplit(':', 1)[0]}:{VERSION}", self._log(name))
            outcome = f"pushed {wanted}"
        self._remember(name, wanted)
        return outcome

    def _build(self, image: Image) -> str:
        if image.parent and not self._store.has(self._local(_image(image.parent[1]))):
            self._build(_image(image.parent[1]))
        files, local = self._inputs(image)[0], self._local(image)
        folder = self._paths.images / "context" / image.name
        context.stage(files, self._dockerfile(image), folder)
        self._store.build(local, folder, self._arguments(image), self._log(image.name))
        return local

    def _local(self, image: Image) -> str:
        """Name of an image in the store of this machine."""
        return f"localhost/{REPOSITORY}/{image.name}:{VERSION}-{self._inputs(image)[1]}"

    def _inputs(self, image: Image) -> tuple[dict[str, Path], str]:
        tools = {f".tools/{name}": self._tools.path(name) for name in image.tools}
        files = context.collect(self._paths.project, self._dockerfile(image), tools)
        own = {name: file for name, file in files.items() if name not in tools}
        keys = {name: str(file.parent.name) for name, file in tools.items()}
        also = {"Dockerfile": self._dockerfile(image).read_text(), **self._arguments(image), **keys}
        return files, context.digest(own, also)

    def _arguments(self, image: Image) -> dict[str, str]:
        found = {"BASE": baseimage.reference(), "TORCH": "system"} if image.from_base else {}
        if image.parent:
            argument, name = image.parent
            found[argument] = self._local(_image(name))
        return found

    def _dockerfile(self, image: Image) -> Path:
        return self._paths.project / image.dockerfile

    def _log(self, name: str) -> Path:
        return self._paths.logs / f"image-{name}.log"

    def _is_pushed(self, reference: str) -> bool:
        """Ask our own registry; any other one is pushed to every time, which it answers quickly."""
        if self._registry != layout.REGISTRY:
            return False
        repository, tag = reference.removeprefix(f"{self._registry}/").rsplit(":", 1)
        connection = http.client.HTTPConnection(self._registry, timeout=5)
        try:
            accept = "application/vnd.oci.image.manifest.v1+json"
            connection.request("HEAD", f"/v2/{repository}/manifests/{tag}", headers={"Accept": accept})
            return connection.getresponse().status == 200
        except OSError as error:
            raise LocalError(f"the registry {self._registry} does not answer: {error}") from error
        finally:
            connection.close()

    def _remember(self, name: str, reference: str) -> None:
        if self._registry != layout.REGISTRY:
            return
        file = self._paths.images / "images.json"
        with (self._paths.images / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
            if known.get(name) != reference:
                known[name] = reference
                temporary = file.with_suffix(".new")
                temporary.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
                temporary.replace(file)


def select(names: Sequence[str]) -> list[str]:
    """Return all images, or those named, in the order in which they are built."""
    for name in names:
        if name != PYTHON:
            _image(name)
    return [name for name in NAMES if not names or name in names]


def predecessors(name: str) -> tuple[str, ...]:
    """Return the images that must be built before this one."""
    parent = None if name == PYTHON else _image(name).parent
    return (parent[1],) if parent else ()


def _image(name: str) -> Image:
    for image in IMAGES:
        if image.name == name:
            return image
    raise LocalError(f"no such image: {name}; known: {', '.join(NAMES)}")
