"""What Envoy reads, read by Envoy itself."""

import importlib.resources
import json
import subprocess
from pathlib import Path

import msgspec
import pytest

from modelyard_gateway import publishing
from modelyard_gateway.directory import Directory
from modelyard_gateway.envoy.bootstrap import bootstrap, clusters_file
from modelyard_gateway.envoy.clusters import cluster
from modelyard_gateway.envoy.tls import certificate_file
from modelyard_gateway.settings import Settings, SettingsError, load
from unit.gateway.objects import model, pod, pods

ENVOY = str(importlib.resources.files("envoy") / "_bin" / "envoy")


def validated(folder: Path, **settings: object) -> str:
    """What Envoy says of the bootstrap."""
    path = folder / "bootstrap.json"
    path.write_bytes(msgspec.json.encode(bootstrap(Settings(folder=folder, **settings))))  # type: ignore[arg-type]
    done = subprocess.run([ENVOY, "--mode", "validate", "-c", str(path)], capture_output=True, text=True, check=False)
    return "OK" if done.returncode == 0 else done.stderr


def test_envoy_accepts_what_it_is_started_with(tmp_path: Path) -> None:
    publishing.prepare(Settings(folder=tmp_path))
    assert validated(tmp_path) == "OK"


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_envoy_accepts_a_cluster(tmp_path: Path, protocol: str) -> None:
    publishing.prepare(Settings(folder=tmp_path))
    made = cluster("team", "digits", protocol, [("10.0.0.1", 8080)])  # type: ignore[arg-type]
    started = bootstrap(Settings(folder=tmp_path))
    started["static_resources"]["clusters"].append({key: value for key, value in made.items() if key != "@type"})
    path = tmp_path / "bootstrap.json"
    path.write_bytes(msgspec.json.encode(started))
    done = subprocess.run([ENVOY, "--mode", "validate", "-c", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def written(folder: Path) -> dict[str, list[str]]:
    """Clusters that the file holds, with their addresses."""
    found = {}
    for one in json.loads(clusters_file(folder).read_text())["resources"]:
        assignment = one["load_assignment"]
        assert assignment["cluster_name"] == one["name"]
        addresses = [lb["endpoint"]["address"]["socket_address"] for lb in assignment["endpoints"][0]["lb_endpoints"]]
        found[one["name"]] = [f"{one['address']}:{one['port_value']}" for one in addresses]
    return found


def test_files_follow_the_directory(tmp_path: Path) -> None:
    publishing.prepare(Settings(folder=tmp_path))
    changed: list[tuple[str, str]] = []
    directory = Directory(changed.append)
    publisher = publishing.Publisher(directory, tmp_path)
    publisher.publish([])
    assert written(tmp_path) == {}
    directory.models.put(model())
    directory.slices.put(pods("2", pod("10.0.0.1")))
    publisher.publish(changed)
    assert written(tmp_path) == {"team.digits.grpc": ["10.0.0.1:9000"], "team.digits.http": ["10.0.0.1:8080"]}
    directory.slices.put(pods("3", pod("10.0.0.1", ready=False)))
    publisher.publish(changed)
    assert written(tmp_path) == {"team.digits.grpc": [], "team.digits.http": []}
    directory.models.remove(model("4"))
    publisher.publish(changed)
    assert written(tmp_path) == {}


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    publishing.prepare(Settings(folder=tmp_path))
    directory = Directory(lambda _: None)
    directory.models.put(model())
    directory.slices.put(pods("2", pod("10.0.0.1")))
    publisher = publishing.Publisher(directory, tmp_path)
    publisher.publish([("team", "digits")])
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*.json")}
    publisher.publish([("team", "digits")])
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*.json")} == before


def test_a_process_that_starts_again_leaves_to_envoy_what_it_knows_until_it_knows_better(tmp_path: Path) -> None:
    publishing.prepare(Settings(folder=tmp_path))
    before = Directory(lambda _: None)
    for name in ("stays", "goes"):
        before.models.put(model(name=name))
        before.slices.put(pods("2", pod("10.0.0.1"), model=name))
    publishing.Publisher(before, tmp_path).publish([("team", "stays"), ("team", "goes")])
    known = written(tmp_path)
    publishing.prepare(Settings(folder=tmp_path))
    assert written(tmp_path) == known
    after = Directory(lambda _: None)
    after.models.put(model(name="stays"))
    after.slices.put(pods("3", pod("10.0.0.2"), model="stays"))
    publishing.Publisher(after, tmp_path).publish([("team", "stays")])
    assert written(tmp_path) == {"team.stays.grpc": ["10.0.0.2:9000"], "team.stays.http": ["10.0.0.2:8080"]}


def test_envoy_accepts_a_certificate_that_is_read_again(tmp_path: Path) -> None:
    settings = Settings(folder=tmp_path, tls=str(tmp_path / "tls"))
    publishing.prepare(settings)
    assert validated(tmp_path, tls=settings.tls) == "OK"
    [secret] = json.loads(certificate_file(tmp_path).read_text())["resources"]
    assert secret["tls_certificate"]["watched_directory"] == {"path": settings.tls}


@pytest.mark.parametrize("style", ["json", "text"])
def test_envoy_accepts_how_its_log_looks(tmp_path: Path, style: str) -> None:
    publishing.prepare(Settings(folder=tmp_path))
    assert validated(tmp_path, log_format=style) == "OK"


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    environment = {"MODELYARD_GATEWAY_AUDIENCES": "a, b", "MODELYARD_GATEWAY_PORT": "80", "OTHER": "x"}
    found = load({**environment, "MODELYARD_GATEWAY_FOLDER": str(tmp_path)})
    assert (found.audiences, found.port, found.folder) == (("a", "b"), 80, tmp_path)


@pytest.mark.parametrize(
    ("variable", "value"), [("PORT", "http"), ("PORT", "70000"), ("AUDIENCES", ","), ("TRUSTED_HOPS", "-1")]
)
def test_a_wrong_setting_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"MODELYARD_GATEWAY_{variable}: "):
        load({f"MODELYARD_GATEWAY_{variable}": value})
