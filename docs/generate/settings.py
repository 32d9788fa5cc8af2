"""Pages of settings: the operator's, the gateway's, the model server's, and the command line of the latter."""

import argparse
import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec

from modelyard_gateway import settings as gateway
from modelyard_operator import settings as operator
from modelyard_server import commands
from modelyard_server import settings as server

from .markdown import bounds, code, document, table

# What the model server's code leaves to the names of its settings.
MEANINGS = {
    "port": "Port to bind; 0 takes a free one.",
    "max_batch_rows": "Rows that go through the model at once, at most.",
    "max_queue_rows": "Rows that may wait; beyond it a client gets 429 with Retry-After.",
    "queue_timeout": "Seconds that a request may wait; then it gets 504.",
    "load_timeout": "Seconds that load and warm-up may take; then the process ends with LoadFailed.",
    "drain_timeout": "Seconds that running requests get after SIGTERM.",
    "unsafe_formats": "Whether files that can run code while loading are read.",
    "model_format": "Format that the package must have; any when empty.",
    "device": "Where the model computes: auto, cpu or cuda; auto takes CUDA when torch sees it.",
    "max_body_bytes": "Largest request body; beyond it a client gets 413.",
    "log_format": "How log lines look: json or text.",
}


def operator_page() -> str:
    """Settings of the operator."""
    info: Any = msgspec.inspect.type_info(operator.Settings)
    rows = []
    for field in info.fields:
        flag = f"--{field.name.replace('_', '-')}"
        default = "required" if field.required else code(_default(field))
        meaning = field.type.extra_json_schema["description"]
        rows.append((code(flag), code(operator.variable(field.name)), _type(field.type), default, meaning))
    intro = "Flags win over the environment. The chart sets them from its [values](../../charts/modelyard/README.md)."
    return document("Operator settings", intro, table(("flag", "variable", "type", "default", "meaning"), rows))


def gateway_page() -> str:
    """Settings of the gateway."""
    info: Any = msgspec.inspect.type_info(gateway.Settings)
    rows = []
    for field in info.fields:
        meaning = field.type.extra_json_schema["description"]
        rows.append((code(gateway.PREFIX + field.name.upper()), _type(field.type), code(_default(field)), meaning))
    intro = (
        "Environment of both containers of a gateway: Envoy is started from the settings of the process beside it. "
        "The chart sets them from its [values](../../charts/modelyard/README.md)."
    )
    return document("Gateway settings", intro, table(("variable", "type", "default", "meaning"), rows))


def _default(field: Any) -> str:
    """The default as one would write it in the environment."""
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return ",".join(value) if isinstance(value, list | tuple) else _number(value)


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _type(kind: Any) -> str:
    """Type and bounds of a setting."""
    match kind:
        case msgspec.inspect.Metadata():
            return _type(kind.type)
        case msgspec.inspect.LiteralType():
            return ", ".join(code(value) for value in kind.values)
        case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
            return "list"
        case msgspec.inspect.IntType():
            return "integer" + bounds({"least": kind.ge, "most": kind.le}, "least", "most")
        case msgspec.inspect.FloatType():
            return f"number, more than {kind.gt}" if kind.gt is not None else f"number, at least {kind.ge}"
    return "text"


def server_page() -> str:
    """Settings and command line of the model server."""
    meanings = docstrings(server.Settings) | MEANINGS
    fields = {field.name: field for field in msgspec.structs.fields(server.Settings)}
    rows = []
    for name, (variable, _) in server._ENVIRONMENT.items():  # noqa: SLF001 - the one table of variables
        default = fields[name].default
        shown = "/mnt/model" if default is msgspec.NODEFAULT else _number(default)
        rows.append((code(variable), code(shown) if default is not None else "", meanings[name]))
    intro = (
        "The image of the model server holds one program. The operator runs `modelyard-server fetch` as the init "
        "container of a model and, with the default runtime, `modelyard-server serve` as its server."
    )
    parts = [
        intro,
        "## Environment of serve\n\n" + table(("variable", "default", "meaning"), rows),
        "## Command line\n\nWithout a command, `serve` is meant.",
    ]
    return document("Model server", *parts, *_commands(commands.parser()))


def docstrings(struct: type) -> dict[str, str]:
    """The string below each field of a class, which only its source still has."""
    body = ast.parse(textwrap.dedent(inspect.getsource(struct))).body[0]
    found: dict[str, str] = {}
    for field, text in itertools.pairwise(body.body if isinstance(body, ast.ClassDef) else []):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[ast.unparse(field.target)] = " ".join(str(text.value.value).split())
    return found


def _commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    """A section for each subcommand. argparse's own help depends on its version and on the width of the terminal."""
    chosen: Any = next(one for one in parser._actions if isinstance(one.choices, dict))  # noqa: SLF001
    helps = {one.dest: one.help for one in chosen._choices_actions}  # noqa: SLF001
    for name, command in chosen.choices.items():
        rows = [_argument(one) for one in command._actions[1:]]  # noqa: SLF001 - all but --help
        title = helps[name][0].upper() + helps[name][1:]
        yield f"### modelyard-server {name}\n\n{title}.\n\n" + table(("argument", "", "meaning"), rows)


def _argument(one: argparse.Action) -> tuple[str, str, str]:
    value = one.metavar or ("|".join(one.choices) if one.choices else one.dest.upper())
    shown = f"{one.option_strings[0]} {value}" if one.option_strings else str(value)
    return code(shown), "required" if one.required else "", one.help or ""
