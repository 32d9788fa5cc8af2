"""A sealed package to S3, the manifest last: whoever sees a manifest can fetch everything that it lists."""

import os
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import obstore
from obstore import exceptions
from obstore.store import S3Store

from modelyard_server.errors import TransientError
from modelyard_server.fetch import credentials, objects, transfer, uri
from modelyard_server.package import files, manifest


class PublishError(Exception):
    """The package could not be published; the message says why and what to do."""


def publish(root: Path, target: str, secret: Path | None, *, create_bucket: bool) -> None:
    """Upload `root` to `s3://bucket/prefix`. Raises PublishError."""
    location = uri.parse(target)
    if location.scheme != "s3" or location.archive:
        raise PublishError(f"{target}: packages are published to s3://bucket/prefix")
    files.verify(root)
    keys = credentials.read(secret, os.environ)
    if not keys.has_s3_keys and not keys.has_identity:
        raise PublishError(f"{target}: no key pair; {keys.describe(credentials.S3_KEYS[:2])}")
    store = objects.bucket(location.place, keys)
    if create_bucket:
        _create(store, location.place)
    listed = manifest.parse((root / manifest.FILE).read_bytes())
    for path in (*sorted(listed.files), manifest.FILE):
        _put(store, f"{location.path}/{path}", root / path, target)
    print(
        f"published {transfer.mebibytes(listed.total_bytes())} in {len(listed.files) + 1} files to {target}", flush=True
    )


def _put(store: S3Store, key: str, path: Path, target: str) -> None:
    def attempt() -> None:
        try:
            obstore.put(store, key, path)
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError) as error:
            raise PublishError(f"{target}: the store refused the key pair (401 or 403)") from error
        except (FileNotFoundError, exceptions.NotFoundError) as error:
            bucket = uri.parse(target).place
            raise PublishError(f"{target}: bucket {bucket} does not exist; create it or add --create-bucket") from error
        except exceptions.BaseError as error:
            raise TransientError(str(error)[:300]) from error

    transfer.retrying(path.name, attempt)


def _create(store: S3Store, bucket: str) -> None:
    """PUT on the bucket itself, presigned by the store, since obstore has no call for it. An existing one is fine."""
    url = obstore.sign(store, "PUT", "", timedelta(minutes=5))
    request = urllib.request.Request(url, method="PUT")  # noqa: S310 (our endpoint)
    try:
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310
            print(f"created bucket {bucket}", flush=True)
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise PublishError(f"bucket {bucket} cannot be created: {error.code} {error.reason}") from error
    except OSError as error:
        raise PublishError(f"bucket {bucket} cannot be created: {error}") from error
