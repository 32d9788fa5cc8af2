"""One page for each custom resource, from the CRD that the API server gets."""

from collections.abc import Iterator, Mapping
from typing import Any

from modelyard_operator import crd
from modelyard_operator.api import inference_key, scalars

from .markdown import bounds, code, document, table

# What a person calls a pattern; any other pattern is shown as it is.
PATTERNS = {
    scalars.DURATION_PATTERN: "duration",
    inference_key.TIME_PATTERN: "time in UTC, such as 2027-12-31T00:00:00Z",
    scalars.DNS_LABEL_PATTERN: "DNS label",
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$": "object name",
    scalars.RESOURCE_NAME_PATTERN: "extended resource",
}
SUMMARY = {
    "ModelDeployment": "Examples: [manifests/samples](../../manifests/samples).",
    "ModelRuntime": "How to write one: [write a model runtime](../how-to/write-a-model-runtime.md).",
    "AcceleratorProfile": "How it is used: [use GPUs](../how-to/use-gpus.md).",
    "InferenceKey": "How it is used: [issue a key](../how-to/inference-keys.md).",
}


def pages() -> dict[str, str]:
    """File name and text of the page of every kind."""
    return {f"{kind.struct.__name__.lower()}.md": _page(kind) for kind in crd.KINDS}


def _page(kind: crd.Kind) -> str:
    spec = crd.document(kind)["spec"]
    schema = spec["versions"][0]["schema"]["openAPIV3Schema"]
    name, version = spec["names"]["kind"], f"{spec['group']}/{spec['versions'][0]['name']}"
    scope = "in a namespace" if spec["scope"] == "Namespaced" else "for the whole cluster"
    commands = f"`kubectl get {kind.short}`, `kubectl explain {kind.short}.spec`"
    parts = [f"{schema['description']} {SUMMARY[name]}", f"{code(version)}, {scope}: {commands}."]
    for section in ("spec", "status"):
        if section in schema["properties"]:
            rows = _fields(schema["properties"][section], "")
            parts.append(f"## {section}\n\n" + table(("field", "type", "default", "meaning"), rows))
    refused = [(code(path), message) for path, message in _rules(schema, "")]
    if refused:
        intro = "## What the API server refuses besides\n\n"
        parts.append(intro + table(("field", "message"), refused))
    columns = [(one.name, code(one.path), "with -o wide" if one.priority else "always") for one in kind.columns]
    parts.append("## Columns of kubectl get\n\n" + table(("column", "from", "shown"), columns))
    return document(name, *parts)


def _fields(schema: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    """Path, type, default and meaning of every field below a schema."""
    for name, field in schema.get("properties", {}).items():
        path = prefix + name
        default = code(_written(field["default"])) if "default" in field else ""
        required = name in schema.get("required", [])
        yield code(path), _type(field), "required" if required else default, field.get("description", "")
        yield from _fields(field, path + ".")
        if field.get("type") == "array":
            yield from _fields(field["items"], path + "[].")


def _written(value: object) -> str:
    """A default as YAML has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(schema: Mapping[str, Any]) -> str:
    """Type with its bounds, in a few words."""
    if "enum" in schema:
        return ", ".join(code(value) for value in schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    kind = str(schema["type"])
    if kind == "array":
        return f"list of {_type(schema['items'])}{bounds(schema, 'minItems', 'maxItems', 'items')}"
    if "additionalProperties" in schema:
        entries = bounds(schema, "minProperties", "maxProperties", "entries")
        return f"map to {_type(schema['additionalProperties'])}{entries}"
    if kind == "string":
        return _string(schema)
    return kind + bounds(schema, "minimum", "maximum")


def _string(schema: Mapping[str, Any]) -> str:
    pattern = schema.get("pattern")
    word = PATTERNS.get(pattern, code(pattern)) if pattern else schema.get("format", "string")
    return word + bounds(schema, "minLength", "maxLength", "characters")


def _rules(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Path and message of every rule that no type can say."""
    for rule in schema.get("x-kubernetes-validations", []):
        yield path + rule.get("fieldPath", "") or "metadata.name", rule["message"]
    for name, field in schema.get("properties", {}).items():
        yield from _rules(field, f"{path}.{name}" if path else name)
