"""The door of all models: `/openai/v1/…`, where the body names the model.

Only there Envoy reads a body before it knows where to send it, so it asks first who somebody is, and puts the body's
`model` into a header for the authorizer. A name that could not be a header's value never becomes one.
Source: envoy.extensions.filters.http.json_to_metadata.v3, .rbac.v3, .header_mutation.v3.
"""

from . import DOOR, MODEL_HEADER, TYPE, Resource

_NAMESPACE, _KEY = "modelyard", "model"
NO_MODEL = "-"
_HTTP = f"{TYPE}.extensions.filters.http"
# Names of models, of those that others call by a path, and NO_MODEL.
_NAME = "[A-Za-z0-9][A-Za-z0-9._:@/-]*|-"
COUNTED = r"/openai/v1/(?:chat/completions|completions|embeddings)(?:\?.*)?"
_NAMES = ("modelyard.who", "modelyard.body", "modelyard.name", "modelyard.header")


def filters(who: Resource) -> list[Resource]:
    """What comes before the authorizer, switched off but at this door; `who` asks who somebody is."""
    configured = (who, _model_of_body(), _only_names(), _to_header())
    return [{"name": name, "typed_config": one, "disabled": True} for name, one in zip(_NAMES, configured, strict=True)]


def route(action: Resource, longest_body: int) -> Resource:
    """The route of this door: as every other, with a body that waits here until it was read."""
    on: Resource = {"@type": f"{TYPE}.config.route.v3.FilterConfig", "config": {}}
    return {
        "match": {"prefix": DOOR},
        "route": action,
        "request_body_buffer_limit": longest_body,
        "typed_per_filter_config": dict.fromkeys(_NAMES, on),
    }


def _model_of_body() -> Resource:
    def named(value: str | None) -> Resource:
        found: Resource = {"metadata_namespace": _NAMESPACE, "key": _KEY, "type": "STRING"}
        return found if value is None else {**found, "value": value}

    rule = {
        "selectors": [{"key": "model"}],
        "on_present": named(None),
        "on_missing": named(NO_MODEL),
        "on_error": named(NO_MODEL),
    }
    return {
        "@type": f"{_HTTP}.json_to_metadata.v3.JsonToMetadata",
        "request_rules": {"rules": [rule], "allow_empty_content_type": True},
    }


def _only_names() -> Resource:
    name: Resource = {"string_match": {"safe_regex": {"regex": _NAME}}}
    named = {"filter": _NAMESPACE, "path": [{"key": _KEY}], "value": name}
    none = {**named, "value": {"present_match": True}, "invert": True}
    policy = {"permissions": [_of_metadata(named), _of_metadata(none)], "principals": [{"any": True}]}
    return {"@type": f"{_HTTP}.rbac.v3.RBAC", "rules": {"action": "ALLOW", "policies": {"names": policy}}}


def _of_metadata(matcher: Resource) -> Resource:
    return {"sourced_metadata": {"metadata_matcher": matcher}}


def _to_header() -> Resource:
    header = {"key": MODEL_HEADER, "value": f"%DYNAMIC_METADATA({_NAMESPACE}:{_KEY})%"}
    return {
        "@type": f"{_HTTP}.header_mutation.v3.HeaderMutation",
        "mutations": {
            "request_mutations": [{"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}]
        },
    }
