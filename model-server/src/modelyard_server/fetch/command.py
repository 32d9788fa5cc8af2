"""`modelyard-server fetch`: run the flow, tell the operator the outcome, choose the exit code."""

import argparse
import errno
import os
import re
import time

from modelyard_server import termination
from modelyard_server.errors import FetchError, PackageError
from modelyard_server.fetch import credentials, download, transfer, uri
from modelyard_server.package import manifest


def run(arguments: argparse.Namespace) -> int:
    """0 fetched, 1 failed (the kubelet tries again), 2 wrong usage."""
    started = time.monotonic()
    if arguments.digest and not re.match(manifest.DIGEST_PATTERN, arguments.digest):
        return _fail(arguments, "FetchFailed", f"--digest {arguments.digest!r}: expected sha256: and 64 hex digits", 2)
    try:
        location = uri.parse(arguments.uri)
    except uri.UriError as error:
        return _fail(arguments, "FetchFailed", str(error), 2)
    transfer.say(f"fetching {location.uri}")
    try:
        fetched = _fetch(arguments, location)
    except FetchError as error:
        return _fail(arguments, error.reason, str(error), 1)
    except PackageError as error:
        return _fail(arguments, "FetchFailed", f"{location.uri}: invalid package: {error}", 1)
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        text = f"no space left in {arguments.dest}" if full else str(error)
        return _fail(arguments, "FetchFailed", f"{location.uri}: {text}", 1)
    size, seconds = transfer.mebibytes(fetched.total_bytes), time.monotonic() - started
    transfer.say(f"fetched {fetched.card.name} {fetched.card.version}, {size} in {seconds:.1f} s, {fetched.digest}")
    termination.write(arguments.termination_log, dict(download.describe(fetched)))
    return 0


def _fetch(arguments: argparse.Namespace, location: uri.Location) -> download.Fetched:
    wanted = download.Wanted(
        location=location,
        dest=arguments.dest,
        digest=arguments.digest,
        format=arguments.format,
        allow_unsafe=arguments.unsafe_formats == "Allow",
    )
    secret = credentials.read(arguments.credentials, os.environ)
    return download.fetch(wanted, download.open_source(location, secret, arguments.pvc_root))


def _fail(arguments: argparse.Namespace, reason: str, message: str, code: int) -> int:
    transfer.say(f"modelyard-server fetch: {reason}: {message}")
    termination.write(arguments.termination_log, {"reason": reason, "message": message})
    return code
