"""The command line: what each subcommand takes and does. `serve` is meant when none is named."""

import argparse
import logging
import os
import sys
from pathlib import Path

import msgspec

import modelyard_server
from modelyard_server import logs, termination
from modelyard_server.errors import PackageError, StartupError
from modelyard_server.settings import Settings, SettingsError

COMMANDS = ("serve", "fetch", "verify", "pack")
log = logging.getLogger("modelyard_server")


def parser() -> argparse.ArgumentParser:
    """All subcommands and flags."""
    root = argparse.ArgumentParser(
        prog="modelyard-server",
        description="Serve a model package over the Open Inference Protocol (V2 and V1 REST).",
        epilog="Without a subcommand, `serve` is meant. Every MODELYARD_ variable of `serve` is listed in its --help.",
    )
    root.add_argument("--version", action="version", version=f"modelyard-server {modelyard_server.__version__}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _serve_flags(commands.add_parser("serve", help="serve one package or several over HTTP", description=_SERVE))
    _fetch_flags(commands.add_parser("fetch", help="download, verify and unpack a package", description=_FETCH))
    verify = commands.add_parser("verify", help="check a package's files against its manifest and print the digest")
    verify.add_argument("dir", type=Path, metavar="DIR")
    verify.add_argument("--digest", metavar="sha256:HEX", help="digest that the package must have")
    pack = commands.add_parser("pack", help="check model.yaml, write manifest.json and print the digest")
    pack.add_argument("dir", type=Path, metavar="DIR")
    return root


_SERVE = """Serve one package, or a repository of several. Settings come from the environment, flags win:
MODEL_PATH, MODEL_NAME, PORT,
MODELYARD_MAX_BATCH_ROWS (64), MODELYARD_MAX_BATCH_DELAY (0 s), MODELYARD_MAX_QUEUE_ROWS (1024),
MODELYARD_QUEUE_TIMEOUT (30 s), MODELYARD_LOAD_TIMEOUT (600 s), MODELYARD_DRAIN_TIMEOUT (30 s),
MODELYARD_UNSAFE_FORMATS (Deny), MODELYARD_MODEL_DIGEST, MODELYARD_OPTIMISE,
MODELYARD_MODEL_FORMAT, MODELYARD_DEVICE (auto), MODELYARD_THREADS,
MODELYARD_MAX_BODY_BYTES (64 MiB), MODELYARD_LOG_FORMAT (json), MODELYARD_GRPC_PORT (0: none),
MODELYARD_REPOSITORY, MODELYARD_VERSION_POLICY (latest), MODELYARD_MODEL_CONTROL (none), MODELYARD_LOAD_MODELS (all),
and for models that generate text MODELYARD_PRECISION (auto), MODELYARD_MAX_SEQUENCES (8), MODELYARD_MAX_WAITING (64),
MODELYARD_MAX_CONTEXT (4096), MODELYARD_MAX_STEP_TOKENS (128), MODELYARD_MAX_ANSWER_TOKENS (1024)."""
_FETCH = """Fetch a package from s3://, https:// or pvc:// into --dest, verified against its manifest before it is
visible there. S3 settings: AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN;
files of the same names in --credentials win. For https: TOKEN, or USERNAME and PASSWORD, and CA_CERT."""


def _serve_flags(command: argparse.ArgumentParser) -> None:
    source = command.add_mutually_exclusive_group()
    source.add_argument("--model", metavar="DIR", help="directory of the package (MODEL_PATH)")
    source.add_argument("--repository", metavar="DIR", help="directory of several models, NAME/VERSION/package or "
                        "NAME/package (MODELYARD_REPOSITORY)")  # fmt: skip
    command.add_argument("--version-policy", choices=("latest", "all"), help="(MODELYARD_VERSION_POLICY, latest)")
    command.add_argument("--model-control", choices=("none", "explicit"), help="(MODELYARD_MODEL_CONTROL, none)")
    command.add_argument("--load-models", metavar="NAMES", help="models to serve from the start, separated by commas "
                         "(MODELYARD_LOAD_MODELS; all when absent)")  # fmt: skip
    command.add_argument("--name", help="model name in URLs (MODEL_NAME; the package's name when absent)")
    command.add_argument("--host", help="address to bind (all addresses when absent)")
    command.add_argument("--port", help="port to bind, 0 for a free one (PORT, 8080)")
    command.add_argument("--grpc-port", metavar="PORT", help="port for gRPC, by custom 9000 "
                         "(MODELYARD_GRPC_PORT; 0, the default, means none)")  # fmt: skip
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), help="(MODELYARD_DEVICE, auto)")
    command.add_argument("--log-format", choices=("json", "text"), help="(MODELYARD_LOG_FORMAT, json)")
    command.add_argument("--access-log", choices=("off", "on"), help="(MODELYARD_ACCESS_LOG, off)")
    command.add_argument("--api-key-file", metavar="FILE", help="keys that clients must show, one a line "
                         "(MODELYARD_API_KEY_FILE; none is asked for when absent)")  # fmt: skip
    command.add_argument("--tracing", choices=("off", "otlp"), help="(MODELYARD_TRACING, off)")
    _termination_flag(command)


def _fetch_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--uri", required=True, help="s3://bucket/prefix, https://host/path or pvc://claim/path; "
                         "a directory, or one .tar, .tar.gz, .tgz or .zip of it")  # fmt: skip
    command.add_argument("--dest", required=True, type=Path, metavar="DIR", help="where the package appears")
    command.add_argument("--digest", default="", metavar="sha256:HEX", help="digest that the package must have")
    command.add_argument("--format", default="", help="format that model.yaml must declare")
    command.add_argument("--unsafe-formats", choices=("Deny", "Allow"), default="Deny",
                         help="files that run code when loaded, such as pickle (Deny)")  # fmt: skip
    command.add_argument("--credentials", type=Path, metavar="DIR", help="mounted Secret, one file per key")
    command.add_argument(
        "--pvc-root", type=Path, default=Path("/mnt/pvc"), metavar="DIR", help="mount of the claim (/mnt/pvc)"
    )
    _termination_flag(command)


def _termination_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument("--termination-log", type=Path, default=termination.DEFAULT_PATH, metavar="FILE",
                         help="gets one JSON object with the outcome (/dev/termination-log)")  # fmt: skip


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Environment first, flags over it; both go through one parser."""
    env = dict(os.environ)
    flags = {"MODEL_PATH": arguments.model, "MODEL_NAME": arguments.name, "PORT": arguments.port,
             "MODELYARD_GRPC_PORT": arguments.grpc_port,
             "MODELYARD_REPOSITORY": arguments.repository, "MODELYARD_VERSION_POLICY": arguments.version_policy,
             "MODELYARD_MODEL_CONTROL": arguments.model_control, "MODELYARD_LOAD_MODELS": arguments.load_models,
             "MODELYARD_DEVICE": arguments.device, "MODELYARD_LOG_FORMAT": arguments.log_format,
             "MODELYARD_ACCESS_LOG": arguments.access_log, "MODELYARD_API_KEY_FILE": arguments.api_key_file,
             "MODELYARD_TRACING": arguments.tracing}  # fmt: skip
    env.update({name: value for name, value in flags.items() if value is not None})
    if arguments.model is not None:
        env.pop("MODELYARD_REPOSITORY", None)
    settings = Settings.from_env(env)
    return msgspec.structs.replace(settings, host=arguments.host or "")


def serve(arguments: argparse.Namespace) -> int:
    """Run the server; 1 and a termination message when the model cannot be loaded, 2 for a wrong setting."""
    try:
        settings = settings_from(arguments)
    except SettingsError as error:
        print(f"modelyard-server: {error}", file=sys.stderr)
        return 2
    logs.configure(settings.log_format)
    import uvloop  # noqa: PLC0415 (`fetch` and --help start without the web stack)

    from modelyard_server import serving  # noqa: PLC0415

    try:
        uvloop.run(serving.run(settings))
    except StartupError as error:
        log.error("%s", error, extra={"reason": error.reason})  # noqa: TRY400 (expected; the message says it all)
        termination.write(arguments.termination_log, {"reason": error.reason, "message": str(error)})
        return 1
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Print the digest, or what differs."""
    from modelyard_server.package import files  # noqa: PLC0415

    try:
        digest = files.verify(arguments.dir)
    except (PackageError, OSError) as error:
        print(f"modelyard-server verify: {error}", file=sys.stderr)
        return 1
    print(digest)
    if arguments.digest in (None, digest):
        return 0
    print(f"modelyard-server verify: digest is {digest}, expected {arguments.digest}", file=sys.stderr)
    return 1


def pack(arguments: argparse.Namespace) -> int:
    """Seal a directory with a manifest and print the digest."""
    from modelyard_server.package import files  # noqa: PLC0415

    try:
        print(files.seal(arguments.dir))
    except (PackageError, OSError) as error:
        print(f"modelyard-server pack: {error}", file=sys.stderr)
        return 1
    return 0


def fetch(arguments: argparse.Namespace) -> int:
    """Fetch a package; the termination message tells the operator the outcome."""
    from modelyard_server.fetch import command  # noqa: PLC0415

    return command.run(arguments)
