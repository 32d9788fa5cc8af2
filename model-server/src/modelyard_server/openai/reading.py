"""Bytes to checked bodies, and what they say about sampling. Errors name the field, as OpenAI's do."""

import re
from typing import TypeVar

import msgspec

from modelyard_server.errors import BadRequestError
from modelyard_server.generation.requests import Sampling
from modelyard_server.openai.bodies import MAX_ANSWERS, MAX_PROMPTS, Chat, Completion, Embedding, Sampled

B = TypeVar("B", Chat, Completion, Embedding)


class FieldError(BadRequestError):
    """One field is wrong; `param` is its name in the error object."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


def body(content: bytes, kind: type[B]) -> B:
    """Decode and check one body. Raises FieldError."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".")
        if missing := re.search(r"missing required field `(\w+)`", text):
            field = f"{field}.{missing[1]}".lstrip(".")
        raise FieldError(field, f"{field}: {text[0].lower()}{text[1:]}" if field else text) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FieldError("", f"body: not valid JSON: {error}") from error


def sampling(asked: Sampled, top_logprobs: int, vocabulary: int) -> Sampling:
    """How tokens are chosen. Raises FieldError for a bias on tokens that do not exist."""
    bias = {}
    for token, value in (asked.logit_bias or {}).items():
        if not token.isdecimal() or int(token) >= vocabulary:
            raise FieldError("logit_bias", f"logit_bias: {token!r} is not a token; tokens are 0 to {vocabulary - 1}")
        bias[int(token)] = value
    return Sampling(
        temperature=1.0 if asked.temperature is None else asked.temperature,
        top_p=1.0 if asked.top_p is None else asked.top_p,
        top_k=max(asked.top_k or 0, 0),
        presence_penalty=asked.presence_penalty or 0.0,
        frequency_penalty=asked.frequency_penalty or 0.0,
        bias=bias,
        seed=asked.seed,
        top_logprobs=top_logprobs,
    )


def choice_seeds(how: Sampling, count: int) -> list[Sampling]:
    """One for each choice: with a seed, every choice gets another one that follows from it."""
    if how.seed is None or count == 1:
        return [how] * count
    return [msgspec.structs.replace(how, seed=how.seed + number) for number in range(count)]


def stops(asked: Sampled) -> tuple[str, ...]:
    """Texts that end an answer."""
    texts = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
    if any(len(text) > 1024 for text in texts):
        raise FieldError("stop", "stop: a text of more than 1024 characters")
    return tuple(text for text in texts if text)


def prompts(asked: Completion) -> list[str | list[int]]:
    """The prompts of a completion. Raises FieldError."""
    prompt = asked.prompt
    if isinstance(prompt, str) or _is_tokens(prompt):
        found: list[str | list[int]] = [prompt]
    elif isinstance(prompt, list) and prompt and all(isinstance(one, str) or _is_tokens(one) for one in prompt):
        found = prompt
    else:
        raise FieldError("prompt", "prompt: must be a text, a list of texts, or tokens, and not be empty")
    if len(found) > MAX_PROMPTS:
        raise FieldError("prompt", f"prompt: {len(found)} prompts, at most {MAX_PROMPTS} are taken")
    if len(found) * (asked.n or 1) > MAX_ANSWERS:
        raise FieldError("n", f"n: {len(found)} prompts with {asked.n} choices; at most {MAX_ANSWERS} answers together")
    unsupported(asked)
    return found


def unsupported(asked: Completion) -> None:
    """Fields of completions that would change the answer and that we do not do."""
    if asked.suffix:
        raise FieldError("suffix", "suffix: is not supported; the model goes on after the prompt")
    if asked.best_of not in (None, 1, asked.n):
        raise FieldError("best_of", "best_of: is not supported; ask for n choices")


def _is_tokens(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(token) is int and token >= 0 for token in value)
