"""A chat's messages as chat templates take them: plain dictionaries with one text each."""

from typing import Any

import msgspec

from modelyard_server.openai.bodies import Chat, Message
from modelyard_server.openai.reading import FieldError


def plain(chat: Chat) -> list[dict[str, Any]]:
    """Messages for the template. Raises FieldError for what is not text."""
    return [_message(number, message) for number, message in enumerate(chat.messages)]


def tools(chat: Chat) -> list[dict[str, Any]] | None:
    """The functions that the template shows; none when the client forbids calls."""
    return chat.tools or None if chat.tool_choice != "none" else None


def demanded(chat: Chat) -> list[dict[str, Any]]:
    """The functions of which one has to be called; none when the model decides. Raises FieldError."""
    choice = chat.tool_choice
    if choice in (None, "auto", "none"):
        return []
    known = [function for one in chat.tools or () if isinstance(function := one.get("function"), dict)]
    wanted = known
    if isinstance(choice, dict):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        wanted = [one for one in known if one.get("name") == name]
    elif choice != "required":
        raise FieldError("tool_choice", "tool_choice: must be auto, none, required, or name a function of tools")
    if not wanted or not all(isinstance(one.get("name"), str) for one in wanted):
        raise FieldError("tool_choice", "tool_choice: asks for a call, but tools hold no such function with a name")
    if chat.response_format is not None and chat.response_format.type != "text":
        raise FieldError("tool_choice", "tool_choice: an answer is a call or follows response_format, not both")
    return wanted


def _message(number: int, message: Message) -> dict[str, Any]:
    role = "system" if message.role == "developer" else message.role
    found: dict[str, Any] = {"role": role, "content": _text(number, message)}
    if message.name is not None:
        found["name"] = message.name
    if message.tool_call_id is not None:
        found["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        found["tool_calls"] = [_call(number, call) for call in message.tool_calls]
    return found


def _text(number: int, message: Message) -> str:
    if message.content is None:
        if message.role != "assistant":
            raise FieldError(f"messages[{number}].content", f"messages[{number}].content: is missing")
        return ""
    if isinstance(message.content, str):
        return message.content
    texts = []
    for part in message.content:
        if part.get("type") not in {"text", "refusal"}:
            field = f"messages[{number}].content"
            raise FieldError(field, f"{field}: {part.get('type')!r} is not taken; this model reads text only")
        text = part.get("text", part.get("refusal"))
        if not isinstance(text, str):
            raise FieldError(f"messages[{number}].content", f"messages[{number}].content: a part has no text")
        texts.append(text)
    return "".join(texts)


def _call(number: int, call: dict[str, Any]) -> dict[str, Any]:
    """Templates take arguments as an object, the protocol sends them as its JSON text."""
    field = f"messages[{number}].tool_calls"
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise FieldError(field, f"{field}: a call has no function with a name")
    arguments = function.get("arguments", "{}")
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments or "{}")
        except msgspec.DecodeError as error:
            raise FieldError(field, f"{field}: arguments are not valid JSON: {error}") from error
    return {**call, "function": {**function, "arguments": arguments}}
