"""A prompt's text as tokens, without holding up the event loop."""

import asyncio

from modelyard_server.errors import ContextLengthError
from modelyard_server.generation.generator import Generator

LONG = 16_384
"""Characters from which on a text is cut into tokens on another thread."""
PER_TOKEN = 128
"""Characters per token that no text has; a longer prompt is refused unread."""


async def tokens(generator: Generator, text: str, *, special: bool) -> list[int]:
    """Tokens of a text; `special` adds what the model expects around it. Raises ContextLengthError."""
    context = generator.limits.context
    if len(text) > context * PER_TOKEN:
        raise ContextLengthError(
            f"prompt: {len(text)} characters; prompt and answer may have {context} tokens together"
        )
    encode = generator.model.tokenizer.encode
    if len(text) < LONG:
        return encode(text, special=special)
    return await asyncio.to_thread(encode, text, special=special)
