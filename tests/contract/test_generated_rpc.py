"""The code of inference.proto is what the compiler makes of it, and the protocol is the one of Triton's client."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SERVER = Path(__file__).parents[2] / "model-server"
SUITE = SERVER.parent / "tests" / "conformance" / "src" / "modelyard_conformance"
RPC = SERVER / "src" / "modelyard_server" / "rpc"
# In a process of its own: two modules that describe one package do not fit into one.
DESCRIBE = """
import importlib, json, sys
from google.protobuf import descriptor_pb2
described = importlib.import_module(sys.argv[1]).DESCRIPTOR
file = descriptor_pb2.FileDescriptorProto()
described.CopyToProto(file)
def fields(message):
    own = {field.name: [field.number, field.type, field.label, field.type_name] for field in message.field}
    return own | {nested.name: fields(nested) for nested in message.nested_type}
calls = {call.name: [call.input_type, call.output_type, call.client_streaming, call.server_streaming]
         for service in file.service for call in service.method}
print(json.dumps({"calls": calls} | {message.name: fields(message) for message in file.message_type}))
"""


def test_the_committed_code_is_the_generated_one(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SERVER / "generate-rpc.py", tmp_path], check=True)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    for folder in (RPC, SUITE):
        assert made == {name: (folder / name).read_text() for name in ("inference_pb2.py", "inference_pb2.pyi")}


def describe(module: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DESCRIBE, module], check=True, capture_output=True, text=True
    )
    described: dict[str, Any] = json.loads(done.stdout)
    return described


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    """Triton's client has more calls than we answer; those that both have must be alike."""
    return describe("tritonclient.grpc.service_pb2")


def test_every_call_and_every_field_has_the_number_and_type_that_clients_know(theirs: dict[str, Any]) -> None:
    ours = describe("modelyard_server.rpc.inference_pb2")
    assert {name: theirs["calls"][name] for name in ours["calls"]} == ours["calls"]
    assert {name: theirs[name] for name in ours if name != "calls"} == {
        name: fields for name, fields in ours.items() if name != "calls"
    }
