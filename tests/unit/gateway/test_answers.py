"""Refusals in the words of each protocol."""

import json

import pytest

from modelyard_gateway.answers import STATUS, Refused, models


def test_a_refusal_without_a_token_asks_for_one() -> None:
    refused = Refused("NoToken", "no Authorization header")
    assert refused.status == 401
    assert refused.headers() == {"x-modelyard-reason": "NoToken", "www-authenticate": 'Bearer realm="modelyard"'}


@pytest.mark.parametrize("path", ["/t/m/v1/chat/completions", "/t/m/openai/v1/models", "/t/m/v1/embeddings"])
def test_openai_clients_get_an_error_object(path: str) -> None:
    error = json.loads(Refused("Busy", "later").body(path))["error"]
    assert error == {"message": "later", "type": "rate_limit_error", "code": "Busy", "param": None}


def test_others_get_a_line() -> None:
    assert Refused("Forbidden", "no").body("/t/m/v2/models/m") == b'{"error":"no"}'


def test_every_reason_has_an_answer_for_every_client() -> None:
    for reason in STATUS:
        refused = Refused(reason, "why")
        assert json.loads(refused.body("/openai/"))["error"]["type"]
        assert refused.ours == (refused.status >= 500)
        assert ("retry-after" in refused.headers()) == (refused.status in (429, 503))


def test_a_list_of_models_is_read_by_openai_s_clients() -> None:
    listed = json.loads(models([("team", "chat")]))
    assert listed["object"] == "list"
    assert [(one["id"], one["object"], one["owned_by"]) for one in listed["data"]] == [("team/chat", "model", "team")]
