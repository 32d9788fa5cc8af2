"""One line of Envoy's about an answer that has ended -> who used what. Pure."""

import re

import msgspec
from msgspec import Struct

from modelyard_gateway.envoy import AUTHORIZER
from modelyard_operator.api.inference_key import Tally

# Of an answer that does not tell its tokens: a token of a prompt is about four bytes of its text.
BYTES_PER_TOKEN = 4
_KEY = re.compile(r"key:([^/#]+)/([^/#]+)#.*")


class Sample(Struct, frozen=True):
    """What one request used. `key` is namespace and name of the InferenceKey, if it came with one."""

    namespace: str
    model: str
    revision: str
    code: int
    used: Tally
    began: int
    key: tuple[str, str] | None = None
    estimated: bool = False


class _Line(Struct):
    """As `envoy.usage` says; what is not there is null."""

    user: str | None = None
    cluster: str | None = None
    code: int = 0
    milliseconds: int | None = None
    received: int = 0
    began: str | int = 0
    events: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None


def parse(text: bytes) -> Sample | None:
    """What a line tells; None when no model was asked, or the line is none of ours (Envoy may die in the middle)."""
    try:
        line = msgspec.json.decode(text, type=_Line)
    except msgspec.DecodeError:
        return None
    parts = (line.cluster or "").split(".")
    if line.cluster == AUTHORIZER or len(parts) < 3:
        return None
    prompt, completion, estimated = _tokens(line)
    key = _KEY.fullmatch(line.user or "")
    return Sample(
        namespace=parts[0],
        model=parts[1],
        revision=parts[3] if len(parts) > 3 else "",
        code=line.code,
        used=Tally(1, prompt, completion, line.milliseconds or 0),
        began=int(line.began),
        key=(key[1], key[2]) if key else None,
        estimated=estimated,
    )


def _tokens(line: _Line) -> tuple[int, int, bool]:
    """Tokens of prompt and answer, and whether they had to be guessed.

    A model that was asked for a stream tells no tokens unless it is asked to, and a client may go away before it does:
    then each event is taken for a token, as our server and vLLM make them.
    """
    if line.prompt_tokens is not None or line.completion_tokens is not None:
        return int(line.prompt_tokens or 0), int(line.completion_tokens or 0), False
    if line.events is None or not 200 <= line.code < 300:
        return 0, 0, False
    return -(-line.received // BYTES_PER_TOKEN), int(line.events), True
