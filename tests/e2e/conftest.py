"""One installation for all tests of this folder, whichever process they run in; a namespace for each."""

import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.node import Node, Store, broken_package, eventually, holds_gpus, store
from modelyard_demo import scenes, target
from modelyard_demo.scenes import DEMO, SECRET
from modelyard_demo.story import Story
from modelyard_server.package import files

LABEL = "modelyard.dev/tests=e2e"


@pytest.fixture(scope="session")
def chosen(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> target.Target:
    """The local cluster, with chart, object store and published models; the first worker that comes makes them."""
    found = target.choose(os.environ)
    folder = tmp_path_factory.getbasetemp()
    shared = folder if worker_id == "master" else folder.parent
    with (shared / "installed").open("a+") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        if mark.seek(0, os.SEEK_END) == 0:
            install(found, tmp_path_factory.mktemp("packages"))
            mark.write("installed\n")
    return found


def install(found: target.Target, folder: Path) -> None:
    """What the demo makes; besides, a broken model and a second version of the small one."""
    # What an interrupted run has left would hold GPUs and names.
    found.kube.run("delete", "namespaces", "-l", LABEL)
    story = Story()
    scenes.install(found, story)
    scenes.store(found, story)
    scenes.train(found, story, ("digits", "regression", "tabular"))
    with store(found) as packages:
        broken_package(folder / "broken")
        packages.put(folder / "broken", "broken/1")
        again = packages.fetch("breast-cancer/1", folder / "second")
        card = again / "model.yaml"
        card.write_text(re.sub(r"(?m)^version: .*$", "version: '2'", card.read_text()))
        files.seal(again)
        packages.put(again, "breast-cancer/2")


@pytest.fixture
def packages(chosen: target.Target) -> Iterator[Store]:
    """The object store."""
    with store(chosen) as found:
        yield found


@pytest.fixture(scope="session")
def pool(chosen: target.Target) -> Iterator[None]:
    """The demo's own models would hold GPUs that the tests count; they come back at the end."""
    shown = chosen.kube.get("mdep", "-n", DEMO)["items"]
    yield
    for model in shown:
        again = {**model, "metadata": {"name": model["metadata"]["name"], "namespace": DEMO}}
        chosen.kube.run("apply", "-f", "-", given=yaml.safe_dump(again))


@pytest.fixture
def gpus(chosen: target.Target, pool: None) -> None:
    """All GPUs of the node, once the test before has given them back."""
    chosen.kube.run("delete", "mdep", "--all", "-n", DEMO)
    eventually(lambda: not any(map(holds_gpus, chosen.kube.get("pods", "--all-namespaces")["items"])))


@pytest.fixture
def node(chosen: target.Target, request: pytest.FixtureRequest) -> Iterator[Node]:
    """A namespace of the restricted standard, with the store's credentials and a caller who may ask its models.

    Nobody waits for its end.
    """
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:50].strip("-")
    kube = chosen.kube
    kube.run("create", "namespace", name)
    kube.run("label", "namespace", name, LABEL, "pod-security.kubernetes.io/enforce=restricted")
    found = Node(chosen, name)
    data = kube.get("secret", SECRET, "-n", DEMO)["data"]
    found.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "data": data})
    found.allow()
    yield found
    kube.run("delete", "namespace", name, "--wait=false")
