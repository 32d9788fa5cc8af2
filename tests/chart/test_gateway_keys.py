"""The keys that models take, and who decides about public models."""

from chart.rendering import Chart, Object, only


def kinds(objects: list[Object]) -> set[str]:
    return {one["kind"] for one in objects}


def mentions(objects: list[Object], text: str) -> bool:
    return text in str(objects)


def test_models_ask_for_a_key_by_default(defaults: list[Object]) -> None:
    for text in ("MODELYARD_UPSTREAM_SECRET", "/etc/modelyard/upstream/ring.json", "$(API_KEY_FILE)"):
        assert mentions(defaults, text)


def test_without_a_gateway_or_its_keys_nobody_asks_and_no_secret_is_read(chart: Chart) -> None:
    for value in ("gateway.enabled", "gateway.upstreamKey.enabled"):
        found = chart.objects({value: False})
        assert not mentions(found, "MODELYARD_UPSTREAM_SECRET")
        assert not mentions(found, "secretName': 'modelyard-upstream")
        # Those of InferenceKeys are written where there is a gateway.
        assert mentions(found, "'resources': ['secrets']") == (value != "gateway.enabled")
        assert not [one for one in found if one["metadata"]["name"] == "modelyard-operator-upstream"]


def test_public_models_are_refused_unless_the_installation_allows_them(chart: Chart, defaults: list[Object]) -> None:
    policy = only(defaults, "ValidatingAdmissionPolicy", "modelyard-no-public-models")
    binding = only(defaults, "ValidatingAdmissionPolicyBinding", "modelyard-no-public-models")
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    for values in ({"gateway.allowPublic": True}, {"gateway.enabled": False}):
        assert "ValidatingAdmissionPolicy" not in kinds(chart.objects(values))
