"""One installation for all tests of this folder; a namespace and a clean pool of GPUs for each."""

import os
import re
from collections.abc import Iterator

import pytest
import yaml

from e2e.node import Node, Store, broken_package, eventually, store
from modelyard_demo import scenes, target
from modelyard_demo.scenes import DEMO, SECRET
from modelyard_demo.story import Story
from modelyard_server.package import files


@pytest.fixture(scope="session")
def chosen() -> Iterator[target.Target]:
    """The local cluster, with chart, object store and published models, as the demo makes them."""
    found = target.choose(os.environ)
    story = Story()
    scenes.install(found, story)
    scenes.store(found, story)
    scenes.train(found, story, ("digits", "regression", "tabular"))
    # The demo's own models would hold GPUs that the tests count; they come back at the end.
    shown = found.kube.get("mdep", "-n", DEMO)["items"]
    found.kube.run("delete", "mdep", "--all", "-n", DEMO)
    yield found
    for model in shown:
        again = {**model, "metadata": {"name": model["metadata"]["name"], "namespace": DEMO}}
        found.kube.run("apply", "-f", "-", given=yaml.safe_dump(again))


@pytest.fixture(scope="session")
def packages(chosen: target.Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The object store, with a broken model and a second version of the small one besides."""
    folder = tmp_path_factory.mktemp("packages")
    with store(chosen) as found:
        broken_package(folder / "broken")
        found.put(folder / "broken", "broken/1")
        again = found.fetch("breast-cancer/1", folder / "second")
        card = again / "model.yaml"
        card.write_text(re.sub(r"(?m)^version: .*$", "version: '2'", card.read_text()))
        files.seal(again)
        found.put(again, "breast-cancer/2")
        yield found


@pytest.fixture
def node(chosen: target.Target, packages: Store, request: pytest.FixtureRequest) -> Iterator[Node]:
    """A namespace of the restricted standard, with the store's credentials."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:50].strip("-")
    kube = chosen.kube
    kube.run("create", "namespace", name)
    kube.run("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    found = Node(chosen, name)
    data = kube.get("secret", SECRET, "-n", DEMO)["data"]
    found.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "data": data})
    yield found
    kube.run("delete", "mdep", "--all", "-n", name)
    eventually(lambda: not found.model_pods())
    kube.run("delete", "namespace", name, "--wait=false")
