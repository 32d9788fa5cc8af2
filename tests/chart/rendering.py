"""The chart as objects: finds helm, renders the chart with values and parses what comes out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modelyard_local.paths import Paths
from modelyard_local.tools import ToolBox

PROJECT = Path(__file__).resolve().parents[2]
CHART = PROJECT / "charts" / "modelyard"
RELEASE = "modelyard"
NAMESPACE = "modelyard-system"
MONITORING_API = tuple(
    f"monitoring.coreos.com/v1/{kind}" for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule")
)

Object = dict[str, Any]


def find_helm(environ: Mapping[str, str]) -> str:
    """The helm to test with: $MODELYARD_HELM, the one built from local/tools, or the one on the PATH."""
    built = ToolBox(Paths.from_env(environ)).path("helm")
    found = environ.get("MODELYARD_HELM") or (str(built) if built.exists() else shutil.which("helm"))
    if not found:
        raise FileNotFoundError(
            "no helm: run `python3 -m modelyard_local tools --only helm`, or set MODELYARD_HELM to a helm binary"
        )
    return found


@dataclass(frozen=True)
class Chart:
    """Renders the chart with one helm binary."""

    helm: str

    def run(
        self, *arguments: str, check: bool = True, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run helm and return its output; a failure shows what helm said."""
        environment = None if env is None else {**os.environ, **env}
        done = subprocess.run([self.helm, *arguments], check=False, capture_output=True, text=True, env=environment)
        assert done.returncode == 0 or not check, f"helm {' '.join(arguments)}: {done.stderr}"
        return done

    def objects(
        self, values: Mapping[str, Any] | None = None, apis: tuple[str, ...] = (), release: str = RELEASE
    ) -> list[Object]:
        """Render the chart for a cluster that serves the given APIs."""
        arguments = [f"--api-versions={api}" for api in apis] + value_arguments(values or {})
        text = self.run("template", release, str(CHART), "--namespace", NAMESPACE, *arguments).stdout
        return [document for document in yaml.safe_load_all(text) if document]

    def refusal(self, values: Mapping[str, Any]) -> str:
        """Return what helm says about values that it must refuse."""
        done = self.run("template", RELEASE, str(CHART), *value_arguments(values), check=False)
        assert done.returncode != 0, f"helm accepted {values}"
        return done.stderr


def value_arguments(values: Mapping[str, Any]) -> list[str]:
    """Pass dotted values as JSON, so that lists, booleans and null stay what they are."""
    return [f"--set-json={path}={json.dumps(value)}" for path, value in values.items()]


def only(objects: list[Object], kind: str, name: str | None = None) -> Object:
    """Return the one object of a kind, or the one with a name."""
    found = [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]
    assert len(found) == 1, f"{kind} {name or ''}: {[o['metadata']['name'] for o in found]}"
    return found[0]


def named(objects: list[Object], kind: str) -> set[str]:
    """Return the names of all objects of a kind."""
    return {o["metadata"]["name"] for o in objects if o["kind"] == kind}
