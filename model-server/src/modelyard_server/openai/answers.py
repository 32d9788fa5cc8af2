"""Answers as the protocol shows them: whole, or chunk by chunk."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from modelyard_server.generation.requests import Chosen, Usage

Spell = Callable[[int], str]
"""The text of one token."""


class Head(msgspec.Struct, frozen=True):
    """What all chunks of one answer share."""

    id: str
    created: int
    model: str
    fingerprint: str


def document(head: Head, kind: str, choices: Sequence[Any], usage: dict[str, Any] | None) -> dict[str, Any]:
    """An answer or a chunk of it; `kind` is its `object`."""
    found: dict[str, Any] = {"id": head.id, "object": kind, "created": head.created, "model": head.model}
    found["system_fingerprint"] = head.fingerprint
    found["choices"] = choices
    found["usage"] = usage
    return found


def usage(prompts: Sequence[Iterable[Usage]]) -> dict[str, Any]:
    """Tokens of one request. The choices of a prompt share it: it is counted once."""
    prompt, cached, generated = 0, 0, 0
    for choices in prompts:
        parts = list(choices)
        prompt += parts[0].prompt
        cached += parts[0].cached
        generated += sum(part.generated for part in parts)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "total_tokens": prompt + generated,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def chat_logprobs(tokens: Sequence[Chosen], spell: Spell) -> dict[str, Any]:
    """Log probabilities of a chat's answer."""
    return {
        "content": [
            {**_token(spell, one.token, one.logprob),
             "top_logprobs": [_token(spell, other.token, other.logprob) for other in one.likeliest]}
            for one in tokens
        ],
        "refusal": None,
    }  # fmt: skip


def _token(spell: Spell, token: int, logprob: float) -> dict[str, Any]:
    text = spell(token)
    return {"token": text, "logprob": max(logprob, -9999.0), "bytes": list(text.encode())}


def completion_logprobs(tokens: Sequence[Chosen], spell: Spell, offset: int) -> dict[str, Any]:
    """Log probabilities of a completion; `offset` is where its text begins."""
    texts = [spell(one.token) for one in tokens]
    offsets = []
    for text in texts:
        offsets.append(offset)
        offset += len(text)
    return {
        "tokens": texts,
        "token_logprobs": [max(one.logprob, -9999.0) for one in tokens],
        "top_logprobs": [{spell(o.token): max(o.logprob, -9999.0) for o in one.likeliest} for one in tokens],
        "text_offset": offsets,
    }
