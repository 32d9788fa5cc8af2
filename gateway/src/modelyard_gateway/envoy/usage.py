"""What Envoy tells of each answer, for those who count: time, bytes and, of OpenAI's answers, tokens.

Envoy's own filters for this either hold an answer back until it has ended, and refuse one that is longer than a buffer,
or read streams only. This script looks at the last bytes of an answer as they pass, and holds nothing back. A text
that a model wrote cannot pass for the field: within JSON its quotes are escaped.

Source: envoy.extensions.filters.http.lua.v3, envoy.extensions.access_loggers.file.v3.
"""

from pathlib import Path

from . import TYPE, USER_HEADER, Resource

NAMESPACE = "modelyard.usage"
FILTER = "envoy.filters.http.lua"
# Paths whose answers may say how many tokens they took, below a model's path or on a host of its own.
OPENAI_PATHS = r"(?:/[^/?]+/[^/?]+)?/(?:openai/)?v1/(?:chat/completions|completions|embeddings)(?:\?.*)?"
_LUA = f"{TYPE}.extensions.filters.http.lua.v3"
_FILE_LOG = f"{TYPE}.extensions.access_loggers.file.v3.FileAccessLog"
_NAME = "usage"
# `usage` is among the last fields of an answer, and in the last event but one of a stream.
_TAIL = 4096
_SCRIPT = f"""
function envoy_on_response(handle)
  local kind = handle:headers():get("content-type") or ""
  local stream = kind:find("event-stream", 1, true) ~= nil
  if not stream and not kind:find("json", 1, true) then return end
  -- Asked for anew each time: what was got before a chunk came is of no use after it.
  local function tell(name, number) handle:streamInfo():dynamicMetadata():set("{NAMESPACE}", name, number) end
  local tail, events = "", 0
  tell("events", 0)
  for chunk in handle:bodyChunks() do
    local bytes = chunk:getBytes(0, chunk:length())
    if stream then
      local _, more = bytes:gsub("data: ?{{", "")
      events = events + more
      -- At once: of a stream that the client ends, this is all that there will be.
      tell("events", events)
    end
    tail = (tail .. bytes):sub(-{_TAIL})
  end
  for usage in tail:gmatch('"usage"%s*:%s*(%b{{}})') do
    for _, name in ipairs({{"prompt_tokens", "completion_tokens"}}) do
      local number = usage:match('"' .. name .. '"%s*:%s*(%d+)')
      if number then tell(name, tonumber(number)) end
    end
  end
end
"""


def usage_file(folder: Path) -> Path:
    """Where Envoy writes its lines."""
    return folder / "usage.log"


def counter() -> Resource:
    """The filter, which only routes that ask for it run."""
    config = {"@type": f"{_LUA}.Lua", "source_codes": {_NAME: {"inline_string": _SCRIPT}}}
    return {"name": FILTER, "disabled": True, "typed_config": config}


def counted(route: Resource, paths: str = OPENAI_PATHS) -> Resource:
    """The same route, for paths whose answers may tell tokens, with the filter."""
    return {
        **route,
        "match": {"safe_regex": {"regex": paths}},
        # Nobody could count in an answer that is compressed.
        "request_headers_to_remove": ["accept-encoding"],
        "typed_per_filter_config": {
            **route.get("typed_per_filter_config", {}),
            FILTER: {
                "@type": f"{TYPE}.config.route.v3.FilterConfig",
                "config": {"@type": f"{_LUA}.LuaPerRoute", "name": _NAME},
            },
        },
    }


def usage_log(path: Path) -> Resource:
    """One line for each request that a model was asked, for our process alone."""
    return {
        "name": "envoy.access_loggers.file",
        "filter": {"header_filter": {"header": {"name": USER_HEADER, "present_match": True}}},
        "typed_config": {
            "@type": _FILE_LOG,
            "path": str(path),
            "log_format": {
                "json_format": {
                    "user": f"%REQ({USER_HEADER})%",
                    "cluster": "%UPSTREAM_CLUSTER_RAW%",
                    "code": "%RESPONSE_CODE%",
                    "milliseconds": "%DURATION%",
                    "received": "%BYTES_RECEIVED%",
                    "began": "%START_TIME(%s)%",
                    **tokens(),
                }
            },
        },
    }


def tokens() -> Resource:
    """Fields of a line that tell tokens; null where there are none."""
    return {
        "events": f"%DYNAMIC_METADATA({NAMESPACE}:events)%",
        "prompt_tokens": f"%DYNAMIC_METADATA({NAMESPACE}:prompt_tokens)%",
        "completion_tokens": f"%DYNAMIC_METADATA({NAMESPACE}:completion_tokens)%",
    }
