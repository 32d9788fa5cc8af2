"""Tools: the cache key, the stamped version, the choice by tier."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelyard_local.errors import LocalError
from modelyard_local.paths import Paths
from modelyard_local.tools import (
    TOOLS,
    ToolBox,
    family_key,
    linker_flags,
    module_version,
    parse_go_version,
    select,
)

GO_MOD = "module x\n\nrequire (\n\tk8s.io/api v0.37.1 // indirect\n\tk8s.io/kubernetes v1.37.1 // indirect\n)\n"
SOURCES = {"go.mod": b"module x", "go.sum": b"h1:abc"}


def test_the_same_inputs_give_the_same_folder() -> None:
    assert family_key(SOURCES, "-s -w", "go1.26.8") == family_key(dict(reversed(SOURCES.items())), "-s -w", "go1.26.8")


@pytest.mark.parametrize(
    ("sources", "flags", "go"),
    [
        ({**SOURCES, "go.sum": b"h1:abd"}, "-s -w", "go1.26.8"),
        ({**SOURCES, "main.go": b""}, "-s -w", "go1.26.8"),
        (SOURCES, "-s", "go1.26.8"),
        (SOURCES, "-s -w", "go1.27.0"),
    ],
)
def test_any_changed_input_gives_another_folder(sources: dict[str, bytes], flags: str, go: str) -> None:
    assert family_key(sources, flags, go) != family_key(SOURCES, "-s -w", "go1.26.8")


def test_text_that_moves_from_one_file_to_the_next_changes_the_key() -> None:
    assert family_key({"a": b"xy", "b": b""}, "", "") != family_key({"a": b"x", "b": b"y"}, "", "")


def test_the_version_comes_from_go_mod() -> None:
    assert module_version(GO_MOD, "k8s.io/kubernetes") == "v1.37.1"


def test_a_module_that_go_mod_does_not_require_is_named() -> None:
    with pytest.raises(LocalError, match=r"helm\.sh/helm/v4"):
        module_version(GO_MOD, "helm.sh/helm/v4")


def test_kubernetes_is_stamped_with_its_version_major_and_minor() -> None:
    flags = linker_flags("kubernetes", GO_MOD)
    assert "-X k8s.io/component-base/version.gitVersion=v1.37.1 " in flags
    assert "-X k8s.io/client-go/pkg/version.gitMinor=37 " in flags


def test_a_family_without_a_stamp_is_only_stripped() -> None:
    assert linker_flags("etcd", "module x\n") == "-s -w"


def test_the_api_tier_is_what_integration_tests_need() -> None:
    assert [tool.name for tool in select("api")] == ["etcd", "kube-apiserver", "kubectl"]


def test_every_tier_holds_the_tiers_below_it() -> None:
    assert set(select("api")) < set(select("node")) < set(select("all")) == set(TOOLS)


def test_an_unknown_tool_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LocalError, match=r"no such tool: kubectx; known: etcd, .*helm"):
        select("all", ["kubectx"])


@pytest.mark.parametrize(
    ("text", "version"), [("go version go1.26.8 linux/amd64", (1, 26)), ("go version go1.9 x", (1, 9))]
)
def test_go_versions_compare_as_numbers(text: str, version: tuple[int, int]) -> None:
    assert parse_go_version(text) == version


def test_every_family_has_a_go_mod_whose_flags_can_be_rendered() -> None:
    sources = Paths(Path("/home"), Path("/cache")).tool_sources
    for tool in TOOLS:
        assert linker_flags(tool.family, (sources / tool.family / "go.mod").read_text()).startswith("-s -w")


def test_a_binary_lies_in_its_familys_folder_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard_local.tools.go_version", lambda: "go version go1.26.8 linux/amd64")
    box = ToolBox(Paths(tmp_path / "home", tmp_path / "cache"))
    assert box.path("kubelet").parent == box.path("kubectl").parent
    assert box.path("kubelet").parent.name.startswith("kubernetes-")
    assert box.missing(select("api")) == select("api")
