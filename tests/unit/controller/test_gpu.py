"""GPU requests: from what a user or a profile says to what a pod asks for."""

from typing import Any

import msgspec
import pytest

from builders import node, profile
from modelyard_operator.api.accelerator_profile import AcceleratorProfile
from modelyard_operator.api.gpus import Gpu
from modelyard_operator.gpu import GpuRequest, affinity, resolve, why
from modelyard_operator.reasons import Reason, Unresolved

CLASSES = frozenset({"gpu.nvidia.com", "mig.nvidia.com", "gpu.amd.com"})
BARE = node("bare", gpus=0)


def request(gpu: Gpu, chosen: AcceleratorProfile | None = None, *nodes: Any) -> GpuRequest:
    found = resolve(gpu, chosen.spec if chosen else None, nodes or (node(),))
    assert isinstance(found, GpuRequest), found
    return found


def asked(classes: frozenset[str] | None, *nodes: Any, chosen: AcceleratorProfile | None = None, **spec: Any) -> Any:
    """What becomes of a spec, as in YAML, on a cluster with these DeviceClasses; None: DRA is not served."""
    gpu = msgspec.convert(spec, Gpu)
    return resolve(gpu, chosen.spec if chosen else None, nodes or (node(),), classes)


@pytest.mark.parametrize(
    ("gpu", "resource"),
    [
        (Gpu(), "nvidia.com/gpu"),
        (Gpu(vendor="amd"), "amd.com/gpu"),
        (Gpu(vendor="google"), "google.com/tpu"),
        (Gpu(resource_name="nvidia.com/mig-3g.40gb"), "nvidia.com/mig-3g.40gb"),
        (Gpu(mig="3g.40gb"), "nvidia.com/mig-3g.40gb"),
        (Gpu(shares=1), "nvidia.com/gpu.shared"),
        (Gpu(mig="1g.10gb", shares=1), "nvidia.com/mig-1g.10gb.shared"),
    ],
)
def test_resource_name(gpu: Gpu, resource: str) -> None:
    assert request(gpu).resource_name == resource


def test_the_taint_of_gpu_nodes_is_tolerated() -> None:
    first = request(Gpu()).tolerations[0]
    assert (first.key, first.operator, first.effect) == ("nvidia.com/gpu", "Exists", "NoSchedule")


def test_part_of_a_product_finds_the_whole_name_in_any_case() -> None:
    other = node("n1", product="NVIDIA-A100-SXM4-80GB")
    assert request(Gpu(product=["h100"]), None, node(), other).products == ["NVIDIA-H100-80GB-HBM3"]


def test_a_product_that_no_node_has_is_kept_so_that_the_scheduler_can_say_so() -> None:
    assert request(Gpu(product=["B300"])).products == ["B300"]


def test_memory_becomes_mebibytes_and_an_exclusive_bound() -> None:
    found = request(Gpu(memory="40Gi"))
    assert found.memory_mib == 40960
    assert affinity(found) == {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["40959"]}]}
                ]
            }
        }
    }


def test_any_gpu_needs_no_affinity() -> None:
    assert affinity(request(Gpu())) is None


def test_a_profile_says_all_but_the_count() -> None:
    chosen = profile(
        product=["H100"],
        memory="80G",
        nodeSelector={"pool": "fast"},
        tolerations=[{"key": "fast", "operator": "Exists"}],
    )
    found = request(Gpu(count=2, profile="h100"), chosen)
    assert found.count == 2
    assert found.node_selector == {"pool": "fast"}
    assert [one.key for one in found.tolerations] == ["nvidia.com/gpu", "fast"]
    assert found.products == ["NVIDIA-H100-80GB-HBM3"]
    assert str(found) == "2 nvidia.com/gpu"


def test_shares_are_counted_instead_of_gpus() -> None:
    assert str(request(Gpu(shares=2))) == "2 nvidia.com/gpu.shared"
    assert str(request(Gpu(count=3, profile="shared"), profile("shared", shares=2))) == "6 nvidia.com/gpu.shared"


def test_a_slice_is_on_a_node_with_the_taint_of_whole_gpus() -> None:
    assert [one.key for one in request(Gpu(mig="3g.40gb")).tolerations] == ["nvidia.com/mig-3g.40gb", "nvidia.com/gpu"]


EXTENDED, DRA = "ExtendedResource", "DRA"
# What is asked for, the nodes, the DeviceClasses, and by which mechanism it is asked for; None: by none.
MECHANISMS = [
    pytest.param({}, [], CLASSES, EXTENDED, id="a count"),
    pytest.param({"mig": "3g.40gb"}, [], CLASSES, EXTENDED, id="a slice"),
    pytest.param({"shares": 1}, [], CLASSES, EXTENDED, id="a share"),
    pytest.param({"resourceName": "example.org/npu"}, [], CLASSES, EXTENDED, id="any resource"),
    pytest.param({"memory": "40Gi"}, [node()], CLASSES, EXTENDED, id="memory, and a node has labels"),
    pytest.param({"memory": "40Gi"}, [BARE], CLASSES, DRA, id="memory, no labels, a DeviceClass"),
    pytest.param({"memory": "40Gi"}, [BARE], frozenset({"other"}), None, id="memory, no labels, no class"),
    pytest.param({"memory": "40Gi"}, [BARE], None, None, id="memory, no labels, no DRA"),
    pytest.param({"memory": "40Gi", "allocation": EXTENDED}, [BARE], None, EXTENDED, id="memory, waits for labels"),
    pytest.param({"product": ["H100"]}, [BARE], CLASSES, DRA, id="product, no labels, a DeviceClass"),
    pytest.param({"product": ["H100"], "vendor": "amd"}, [BARE], CLASSES, DRA, id="product of AMD"),
    pytest.param({"selectors": ["true"]}, [], CLASSES, DRA, id="selectors"),
    pytest.param({"selectors": ["true"]}, [], None, None, id="selectors without DRA"),
    pytest.param({"alternatives": [{}, {"mig": "3g.40gb"}]}, [], CLASSES, DRA, id="alternatives"),
    pytest.param({"alternatives": [{"deviceClassName": "x"}]}, [], CLASSES, None, id="an alternative without class"),
    pytest.param({"deviceClassName": "gpu.amd.com"}, [], CLASSES, DRA, id="a DeviceClass"),
    pytest.param({"resourceClaimTemplateName": "mine"}, [], frozenset(), DRA, id="a template of one's own"),
    pytest.param({"resourceClaimTemplateName": "mine"}, [], None, None, id="a template without DRA"),
    pytest.param({"allocation": DRA}, [], CLASSES, DRA, id="a count, by a claim"),
    pytest.param({"allocation": DRA}, [], None, None, id="a count, by a claim, without DRA"),
]


@pytest.mark.parametrize(("spec", "nodes", "classes", "mechanism"), MECHANISMS)
def test_mechanism(
    spec: dict[str, Any], nodes: list[Any], classes: frozenset[str] | None, mechanism: str | None
) -> None:
    found = asked(classes, *nodes, **spec)
    if mechanism is None:
        assert isinstance(found, Unresolved)
        assert found.reason is Reason.NO_GPU_MECHANISM
    else:
        assert isinstance(found, GpuRequest)
        assert found.mechanism == mechanism


LOOKED_FOR = [
    pytest.param(None, {"memory": "1Gi"}, "no node has the label nvidia.com/gpu.memory", id="label"),
    pytest.param(None, {"memory": "1Gi"}, "the API server does not serve resource.k8s.io/v1", id="API group"),
    pytest.param(frozenset({"a"}), {"memory": "1Gi"}, "there is no DeviceClass gpu.nvidia.com (known: a)", id="class"),
    pytest.param(frozenset(), {"allocation": "DRA"}, "can only be asked for by a claim", id="claim"),
    pytest.param(frozenset(), {"allocation": "DRA"}, "(known: none)", id="no class at all"),
]


@pytest.mark.parametrize(("classes", "spec", "words"), LOOKED_FOR)
def test_a_cluster_without_a_way_says_what_was_looked_for(
    classes: frozenset[str] | None, spec: dict[str, Any], words: str
) -> None:
    assert words in asked(classes, BARE, **spec).message


CONTRADICTIONS = [
    pytest.param({"allocation": EXTENDED}, {"deviceClassName": "gpu.nvidia.com"}, id="class as a resource"),
    pytest.param({"allocation": DRA}, {"resourceName": "nvidia.com/gpu"}, id="resource by a claim"),
    pytest.param({"allocation": DRA}, {"shares": 1}, id="share by a claim"),
]


@pytest.mark.parametrize(("spec", "chosen"), CONTRADICTIONS)
def test_a_profile_that_contradicts_the_allocation_is_told(spec: dict[str, Any], chosen: dict[str, Any]) -> None:
    found = asked(CLASSES, chosen=profile("p", **chosen), profile="p", **spec)
    assert found.reason is Reason.INVALID_SPEC
    assert found.message.startswith("spec.gpu.allocation: ")


def test_a_claim_tolerates_the_taint_of_the_vendor_and_of_the_profile() -> None:
    chosen = profile(
        "p", vendor="amd", deviceClassName="gpu.amd.com", nodeSelector={"pool": "fast"}, tolerations=[{"key": "fast"}]
    )
    found = asked(CLASSES, chosen=chosen, profile="p", count=2)
    assert [one.key for one in found.tolerations] == ["amd.com/gpu", "fast"]
    assert found.node_selector == {"pool": "fast"}
    assert str(found) == "2 gpu.amd.com"


REQUESTS = [
    pytest.param({"allocation": DRA}, "1 gpu.nvidia.com", id="one class"),
    pytest.param({"alternatives": [{}, {"mig": "3g.40gb"}, {}]}, "1 gpu.nvidia.com or mig.nvidia.com", id="two"),
    pytest.param({"resourceClaimTemplateName": "mine"}, "ResourceClaimTemplate mine", id="template"),
]


@pytest.mark.parametrize(("spec", "text"), REQUESTS)
def test_a_claim_in_words(spec: dict[str, Any], text: str) -> None:
    assert str(asked(CLASSES, **spec)) == text


SENTENCES = [
    pytest.param({}, [], "An extended resource can say what is asked for.", id="count"),
    pytest.param(
        {"memory": "1Gi"}, [], "An extended resource can say what is asked for; node labels tell the rest.", id="labels"
    ),
    pytest.param({"allocation": DRA}, [], "gpu.allocation says DRA.", id="told"),
    pytest.param({"selectors": ["true"]}, [], "Only a claim can say what is asked for.", id="selectors"),
    pytest.param(
        {"memory": "1Gi"},
        [BARE],
        "No node had labels with product and memory, so a claim asks the devices themselves.",
        id="no labels",
    ),
]


@pytest.mark.parametrize(("spec", "nodes", "sentence"), SENTENCES)
def test_the_reason_is_a_sentence(spec: dict[str, Any], nodes: list[Any], sentence: str) -> None:
    assert why(msgspec.convert(spec, Gpu), asked(CLASSES, *nodes, **spec)) == sentence


def test_the_reason_names_the_profile() -> None:
    chosen = profile("mi300", deviceClassName="gpu.amd.com")
    found = asked(CLASSES, chosen=chosen, profile="mi300")
    assert why(Gpu(profile="mi300"), found) == "Here only a claim can say what AcceleratorProfile mi300 asks for."
