"""Hashes of what is asked: writing a default out, as the API server does for some, asks for nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec import NODEFAULT, inspect

from builders import DEFAULTS, catalog, device_class, model, profile
from modelyard_operator.api.model_deployment import ModelDeploymentSpec
from modelyard_operator.api.model_runtime import ModelRuntime, ModelRuntimeSpec
from modelyard_operator.fingerprint import fingerprint
from modelyard_operator.revision import Resolved, intent, resolve

Document = dict[str, Any]
Way = tuple[str | int, ...]  # to a field of a document
CASES = sorted((Path(__file__).parents[2] / "golden").glob("*/in.yaml"))
SPECS: list[Document] = [yaml.safe_load(case.read_text())["spec"] for case in CASES]
SPECS.append({"model": {"uri": "s3://models/digits/1"}, "server": {"env": [{"name": "A"}]}, "gpu": {"count": 2}})
SPECS.append(
    {
        "model": {"uri": "s3://models/digits/1"},
        "gpu": {"alternatives": [{"mig": "3g.40gb"}]},
        "scheduling": {"topologySpread": [{"topologyKey": "zone"}], "tolerations": [{"key": "fast"}]},
    }
)
RUNTIME: Document = {
    "image": "registry.example/server:1",
    "formats": [{"name": "package"}, {"name": "torch"}],
    "env": [{"name": "A"}],
}


def silent(kind: inspect.Type, document: Any, way: Way = ()) -> Iterator[tuple[Way, Any]]:
    """Every default that a document leaves out, also inside of structs that it leaves out: where, and its value."""
    for one in kind.types if isinstance(kind, inspect.UnionType) else [kind]:
        if isinstance(one, inspect.Metadata):
            yield from silent(one.type, document, way)
        elif isinstance(one, inspect.ListType) and isinstance(document, list):
            for number, item in enumerate(document):
                yield from silent(one.item_type, item, (*way, number))
        elif isinstance(one, inspect.StructType) and isinstance(document, dict):
            for field in one.fields:
                here = (*way, field.encode_name)
                if field.encode_name in document:
                    yield from silent(field.type, document[field.encode_name], here)
                elif not field.required:
                    made = field.default if field.default is not NODEFAULT else field.default_factory()
                    value = {} if isinstance(made, msgspec.Struct) else msgspec.to_builtins(made)
                    yield here, value
                    yield from silent(field.type, value, here)


def written(document: Document, defaults: list[tuple[Way, Any]]) -> Document:
    """The document with these defaults written out."""
    found: Document = msgspec.json.decode(msgspec.json.encode(document))
    for way, value in defaults:
        place: Any = found
        for step in way[:-1]:
            place = place.setdefault(step, {}) if isinstance(step, str) else place[step]
        place.setdefault(way[-1], value)
    # Through JSON, as from the API server: no string is the object that the code has.
    decoded: Document = msgspec.json.decode(msgspec.json.encode(found))
    return decoded


def name(spec: Document, server: Document = RUNTIME) -> str:
    """The name of the revision that a spec asks for."""
    runtime = msgspec.convert({"metadata": {"name": "modelyard-server"}, "spec": server}, ModelRuntime)
    offered = catalog(runtime, profile(), device_class(), device_class("mig.nvidia.com"))
    found = resolve(model(**spec), offered, DEFAULTS)
    assert isinstance(found, Resolved), found
    return found.name


# Each with the defaults that it leaves out.
TERSE = [(one, list(silent(inspect.type_info(ModelDeploymentSpec), one))) for one in SPECS]


@given(st.sampled_from(TERSE), st.data())
def test_writing_defaults_of_the_spec_out_changes_no_hash(
    terse: tuple[Document, list[tuple[Way, Any]]], data: st.DataObject
) -> None:
    spec, defaults = terse
    wordy = written(spec, data.draw(st.lists(st.sampled_from(defaults), min_size=1, unique_by=lambda one: one[0])))
    assert intent(model(**wordy)) == intent(model(**spec))
    assert name(wordy) == name(spec)


@pytest.mark.parametrize("default", TERSE[-1][1], ids=lambda one: ".".join(map(str, one[0])))
def test_each_default_of_the_spec_may_be_written_out(default: tuple[Way, Any]) -> None:
    assert intent(model(**written(SPECS[-1], [default]))) == intent(model(**SPECS[-1]))


@pytest.mark.parametrize(
    "default", list(silent(inspect.type_info(ModelRuntimeSpec), RUNTIME)), ids=lambda one: ".".join(map(str, one[0]))
)
def test_each_default_of_a_runtime_may_be_written_out(default: tuple[Way, Any]) -> None:
    assert name(SPECS[-2], written(RUNTIME, [default])) == name(SPECS[-2])


def test_another_value_than_the_default_is_another_intent() -> None:
    slow, spread = model(server={"loadTimeout": "11m"}), model(scheduling={"topologySpread": [{"topologyKey": "zone"}]})
    assert len({intent(one) for one in (model(), slow, spread)}) == 3


def test_the_order_of_keys_does_not_matter_and_that_of_items_does() -> None:
    assert (
        fingerprint({"a": [1, 2], "b": 1}) == fingerprint({"b": 1, "a": [1, 2]}) != fingerprint({"a": [2, 1], "b": 1})
    )
