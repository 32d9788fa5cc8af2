"""The CustomResourceDefinitions: generated, small, bounded, and the same in manifests and chart."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from modelyard_operator import crd
from modelyard_operator.crd_schema import struct_schema

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.plural)
class TestEachKind:
    def test_the_committed_files_are_the_generated_ones(self, kind: crd.Kind) -> None:
        assert (ROOT / "manifests/crds" / f"{kind.plural}.yaml").read_text() == crd.render(kind)
        chart = ROOT / "charts/modelyard/templates/crds" / f"{kind.plural}.yaml"
        assert chart.read_text() == crd.chart_template(kind)

    def test_it_is_smaller_than_64_kb(self, kind: crd.Kind) -> None:
        assert len(crd.render(kind)) < 64_000

    def test_every_field_of_spec_is_described(self, kind: crd.Kind) -> None:
        spec = crd.document(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        assert [name for name, schema in spec["properties"].items() if not schema.get("description")] == []

    def test_every_list_map_and_string_is_bounded(self, kind: crd.Kind) -> None:
        schema = crd.document(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        assert unbounded(schema["properties"]["spec"], "spec") == []


def unbounded(schema: dict[str, Any], path: str) -> list[str]:
    """Paths whose size nothing limits: the cost of a CEL rule is estimated from these bounds."""
    found = []
    kind = schema.get("type")
    if kind == "string" and not {"maxLength", "enum", "pattern"} & set(schema):
        found.append(path)
    if kind == "array" and "maxItems" not in schema:
        found.append(path)
    if kind == "object" and "additionalProperties" in schema and "maxProperties" not in schema:
        found.append(path)
    for name, child in schema.get("properties", {}).items():
        found += unbounded(child, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            found += unbounded(schema[name], f"{path}[]")
    return found


def test_the_model_has_status_scale_columns_and_a_category() -> None:
    document = crd.document(crd.KINDS[0])["spec"]
    version = document["versions"][0]
    assert version["subresources"]["scale"]["labelSelectorPath"] == ".status.selector"
    assert [column["name"] for column in version["additionalPrinterColumns"]][:3] == ["Status", "Ready", "Model"]
    assert document["names"]["categories"] == ["modelyard"]


def test_the_command_writes_both_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["crd", "--manifests", str(tmp_path / "a"), "--chart", str(tmp_path / "b")]
    monkeypatch.setattr("sys.argv", arguments)
    crd.main()
    assert len(list((tmp_path / "a").iterdir())) == len(list((tmp_path / "b").iterdir())) == 4


def test_the_command_writes_nothing_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["crd"])
    crd.main()


class Union(msgspec.Struct):
    """A field that no structural schema can say."""

    value: int | str


class Bytes(msgspec.Struct):
    """A type that no object of Kubernetes has."""

    value: bytes


@pytest.mark.parametrize("odd", [Union, Bytes, int], ids=["union", "bytes", "no struct"])
def test_what_has_no_schema_is_an_error(odd: type) -> None:
    with pytest.raises(TypeError):
        struct_schema(odd)


def test_what_is_not_bounded_gets_no_bound_and_what_has_no_text_no_description() -> None:
    struct = msgspec.defstruct("Struct", [("names", list[str]), ("labels", dict[str, str])])
    assert struct_schema(struct) == {
        "type": "object",
        "properties": {
            "names": {"type": "array", "items": {"type": "string"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["names", "labels"],
    }


def test_lists_may_have_a_least_length() -> None:
    struct = msgspec.defstruct("Struct", [("names", Annotated[list[str], msgspec.Meta(min_length=1, max_length=2)])])
    assert struct_schema(struct)["properties"]["names"] == {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "maxItems": 2,
    }
