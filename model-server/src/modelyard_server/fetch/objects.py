"""s3:// and https:// through obstore. Retries are ours (`transfer`), so that both behave alike and can be seen."""

import base64
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from obstore import exceptions
from obstore.store import HTTPStore, S3Store

from modelyard_server.errors import FetchError, FetchReason, TransientError
from modelyard_server.fetch.credentials import HTTPS_KEYS, S3_KEYS, Credentials
from modelyard_server.fetch.uri import Location
from modelyard_server.package import manifest

CHUNK = 4 * 1024 * 1024
_NO_RETRIES: Any = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}


class ObjectSource:
    """Objects below one prefix of an obstore store."""

    def __init__(self, store: S3Store | HTTPStore, location: Location, credentials: Credentials) -> None:
        self._store = store
        self._location = location
        self._credentials = credentials
        # An https location is the store's own root; a bucket holds more than our prefix.
        self._prefix = location.path if location.scheme == "s3" else ""

    def stream(self, path: str) -> Iterator[bytes]:
        """Chunks of one object."""
        try:
            for chunk in self._store.get(self._key(path)).stream(min_chunk_size=CHUNK):
                yield bytes(chunk)
        except (FileNotFoundError, exceptions.NotFoundError) as error:
            raise FileNotFoundError(path) from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError) as error:
            raise self._rejected() from error
        except exceptions.BaseError as error:
            raise _classify(self._location.uri, error) from error

    def explain_missing(self, path: str) -> FetchError:
        """Bucket missing, prefix empty, or a directory that is no package."""
        location = self._location
        if location.scheme == "https" or location.archive:
            url = f"{location.uri.rstrip('/')}/{path}" if path else location.uri
            return self._not_found(f"{url}: there is no such file (404); check spec.model.uri")
        try:
            names = [str(entry["path"]) for batch in self._store.list(self._prefix + "/") for entry in batch][:1000]
        except (FileNotFoundError, exceptions.BaseError) as error:
            if any(mark in str(error) for mark in _BAD_KEYS):
                return self._rejected()
            if "NoSuchBucket" in str(error) or isinstance(error, FileNotFoundError | exceptions.NotFoundError):
                return self._not_found(f"{location.uri}: bucket {location.place} does not exist; check spec.model.uri")
            return self._not_found(f"{location.uri}: no {path} and listing is not allowed; check spec.model.uri")
        if not names:
            return self._not_found(
                f"{location.uri}: no object with this prefix in bucket {location.place}; check spec.model.uri"
            )
        found = ", ".join(name.removeprefix(self._prefix + "/") for name in names[:5])
        reason: FetchReason = "ModelNotFound" if path == manifest.FILE else "FetchFailed"
        remedy = "`modelyard-server pack DIR` writes one" if path == manifest.FILE else "upload it again"
        return FetchError(reason, f"{location.uri}: holds no {path} (found {found}); {remedy}")

    def _key(self, path: str) -> str:
        return "/".join(part for part in (self._prefix, path) if part)

    def _not_found(self, message: str) -> FetchError:
        return FetchError("ModelNotFound", message)

    def _rejected(self) -> FetchError:
        location = self._location
        wanted = S3_KEYS[:3] if location.scheme == "s3" else HTTPS_KEYS[:3]
        where = f"bucket {location.place}" if location.scheme == "s3" else location.place
        keys = self._credentials.describe(wanted)
        message = f"{location.uri}: {where} refused access (401 or 403); {keys}; set spec.model.credentials"
        return FetchError("CredentialsRejected", message)


def s3(location: Location, credentials: Credentials) -> ObjectSource:
    """A prefix of a bucket."""
    return ObjectSource(bucket(location.place, credentials), location, credentials)


def bucket(name: str, credentials: Credentials) -> S3Store:
    """Path-style requests; plain http only when the endpoint says so; anonymous without keys."""
    endpoint = credentials.get("AWS_ENDPOINT_URL").rstrip("/")
    options: dict[str, Any] = {"region": credentials.get("AWS_REGION") or "us-east-1"}
    if endpoint:
        options["endpoint"] = endpoint
    if credentials.has_s3_keys:
        options["access_key_id"] = credentials.get("AWS_ACCESS_KEY_ID")
        options["secret_access_key"] = credentials.get("AWS_SECRET_ACCESS_KEY")
        if token := credentials.get("AWS_SESSION_TOKEN"):
            options["token"] = token
    elif not credentials.has_identity:
        options["skip_signature"] = True
    client = _client(allow_http=endpoint.startswith("http://"), ca_certificate="")
    return S3Store(
        name,
        client_options=client,
        retry_config=_NO_RETRIES,
        virtual_hosted_style_request=False,
        **options,
    )


def https(location: Location, credentials: Credentials) -> ObjectSource:
    """Bearer token or basic authentication, and a private authority's certificate when the Secret holds one."""
    client = _client(allow_http=False, ca_certificate=credentials.get("CA_CERT"))
    if token := credentials.get("TOKEN"):
        client["default_headers"] = {"authorization": f"Bearer {token}"}
    elif user := credentials.get("USERNAME"):
        pair = base64.b64encode(f"{user}:{credentials.get('PASSWORD')}".encode()).decode()
        client["default_headers"] = {"authorization": f"Basic {pair}"}
    url = f"https://{location.place}/{location.path}"
    try:
        store = HTTPStore(url, client_options=client, retry_config=_NO_RETRIES)
    except (exceptions.BaseError, ValueError) as error:
        raise FetchError("FetchFailed", f"{location.uri}: {_cause(error)}; check CA_CERT in the Secret") from error
    return ObjectSource(store, location, credentials)


def _client(*, allow_http: bool, ca_certificate: str) -> Any:
    """No bound on the whole transfer, since models take minutes; a stalled read ends it instead."""
    options: dict[str, Any] = {
        "allow_http": allow_http,
        "connect_timeout": timedelta(seconds=10),
        "read_timeout": timedelta(seconds=60),
        "timeout": timedelta(hours=12),
    }
    if ca_certificate:
        options["root_certificate"] = ca_certificate.encode()
    return options


_BAD_KEYS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "UserNotFound")
_FINAL = ("InvalidBucketName", "certificate", "RequestTimeTooSkewed", "scheme is not allowed", "URL scheme is not")


def _classify(uri: str, error: Exception) -> Exception:
    """What the error tree does not tell apart: faults that pass, and those that a retry meets again."""
    cause = _cause(error)
    if any(mark in cause for mark in _FINAL):
        return FetchError("FetchFailed", f"{uri}: {cause}")
    return TransientError(cause)


def _cause(error: Exception) -> str:
    """obstore's first line and the innermost cause, which it hides in debug text; short enough for a condition."""
    text, _, debug = str(error).partition("\n\nDebug source")
    line = re.sub(r" in [\d.]+\S*s - ", ": ", " ".join(text.split()))
    if certificate := re.search(r"InvalidCertificate\(\s*(\w+)", debug):
        return f"{line[:400]} (the server's certificate is not trusted: {certificate[1]}; put its CA into CA_CERT)"
    inner = re.findall(r'message: "([^"]+)"', debug)
    deepest = inner[-1] if inner else ""
    return f"{line[:400]} ({deepest[:200]})" if deepest and deepest not in line else line[:400]
