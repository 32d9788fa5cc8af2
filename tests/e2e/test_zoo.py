"""One model of each kind: made by the trainer, served on the node, and judged on what was held out.

The models come in turns, since the node is small.
"""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import yaml

from e2e.node import Node, Object, store
from modelyard_demo import scenes
from modelyard_demo.kube import manifest
from modelyard_demo.scenes import GATEWAY, SYSTEM
from modelyard_demo.story import Story
from modelyard_demo.target import Target
from modelyard_server.package import files
from modelyard_trainer.__main__ import main as trainer

pytestmark = pytest.mark.e2e

SAMPLES = Path(__file__).parents[2] / "manifests/samples/zoo"
# Sample -> recipe. Those in ELSEWHERE need a library or weights that the trainer's image leaves out.
RECIPES = {
    "mlp": "digits-mlp",
    "pictures": "digits-pictures",
    "lstm": "lstm",
    "encoder": "encoder",
    "seq2seq": "seq2seq",
    "onnx": "digits-onnx",
    "torchscript": "digits-torchscript",
    "torch-export": "digits-torch-export",
    "python": "bayes",
    "embeddings": "minilm",
}
ELSEWHERE = {"onnx", "embeddings"}
# Sample of a model -> sample of the ModelRuntime that it names, and the image that is built for it here.
RUNTIMES = {"python": ("python-runtime", "word-scores")}


def publish(chosen: Target, sample: str, model: str, folder: Path) -> None:
    """In a Job of the cluster, or on this machine."""
    recipe = RECIPES[sample]
    if sample not in ELSEWHERE:
        scenes.train(chosen, Story(), (recipe,))
        return
    assert trainer([recipe, "--out", str(folder / model)]) == 0
    with store(chosen) as packages:
        packages.put(folder / model, f"{model}/1")


def sample_of(name: str) -> Object:
    """The object in a sample's file."""
    found: Object = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())
    return found


def pin(chosen: Target, document: Object, folder: Path) -> None:
    """Put the digest of what was published in the place of a sample's, which is nobody's."""
    with store(chosen) as packages:
        package = packages.fetch(f"{document['metadata']['name']}/1", folder)
    document["spec"]["model"]["digest"] = files.verify(package)


@pytest.fixture
def runtime(chosen: Target, node: Node, sample: str) -> Iterator[None]:
    """The ModelRuntime that a sample names, with the image of this cluster's registry."""
    if sample not in RUNTIMES:
        yield
        return
    name, image = RUNTIMES[sample]
    document = sample_of(name)
    document["spec"]["image"] = chosen.images[image]
    node.apply(document)
    yield
    node.kube.run("delete", "mrt", document["metadata"]["name"])


def test_every_sample_has_its_recipe() -> None:
    runtimes = {name for name, _ in RUNTIMES.values()}
    assert {path.stem for path in SAMPLES.iterdir()} == {*RECIPES, *runtimes, "llm"}


@pytest.mark.parametrize("sample", RECIPES)
@pytest.mark.usefixtures("runtime")
def test_it_answers_as_measured(chosen: Target, node: Node, sample: str, tmp_path: Path) -> None:
    document = sample_of(sample)
    model = document["metadata"]["name"]
    publish(chosen, sample, model, tmp_path)
    if "digest" in document["spec"]["model"]:
        pin(chosen, document, tmp_path / "published")
    node.apply(document)
    assert node.ready(model, 240)["readyReplicas"] == 1
    recipe = RECIPES[sample]
    values = {"RECIPE": recipe, "MODEL": model, "TRAINER_IMAGE": chosen.images["trainer"]}
    job = manifest("evaluate.yaml", values).replace(scenes.DEMO, node.namespace)
    node.kube.run("apply", "-f", "-", given=job)
    try:
        node.kube.run(
            *("wait", f"job/evaluate-{recipe}", "-n", node.namespace, "--for=condition=Complete", "--timeout=180s")
        )
    finally:
        said = node.kube.run("logs", f"job/evaluate-{recipe}", "-n", node.namespace)
    assert "PASSED" in said


def test_a_language_model_chats_with_the_openai_client(chosen: Target, node: Node, tmp_path: Path) -> None:
    assert trainer(["smollm2", "--out", str(tmp_path / "smollm2")]) == 0
    with store(chosen) as packages:
        packages.put(tmp_path / "smollm2", "smollm2/1")
    node.apply(sample_of("llm"))
    node.ready("smollm2", 300)
    question = "What is the capital of France? Answer in one word."
    with (
        chosen.kube.forward(SYSTEM, f"service/{GATEWAY}", 80) as port,
        openai.OpenAI(base_url=f"http://127.0.0.1:{port}/openai/v1", api_key=node.token(), timeout=180) as client,
    ):
        chunks = client.chat.completions.create(
            model=f"{node.namespace}/smollm2",
            messages=[{"role": "user", "content": question}],
            max_tokens=16,
            temperature=0,
            stream=True,
        )
        pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "Paris" in "".join(pieces)
    assert len(pieces) > 1, "it came as it was made"
