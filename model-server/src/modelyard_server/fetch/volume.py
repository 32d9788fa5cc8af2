"""pvc://claim/path: the claim is mounted read-only at a fixed place, and the package is copied from there."""

import difflib
from collections.abc import Iterator
from pathlib import Path

from modelyard_server.errors import FetchError, TransientError
from modelyard_server.fetch.uri import Location
from modelyard_server.package import files


class VolumeSource:
    """Files below a directory of the mounted claim."""

    def __init__(self, mount: Path, location: Location) -> None:
        self._mount = mount
        self._location = location

    def stream(self, path: str) -> Iterator[bytes]:
        """Chunks of one file. Links that lead out of the claim are refused."""
        target = self._mount / self._location.path / path
        if not target.resolve().is_relative_to(self._mount.resolve()):
            raise FetchError("FetchFailed", f"{self._location.uri}: {path or target.name} is a link out of the claim")
        try:
            with target.open("rb") as stream:
                while chunk := stream.read(files.CHUNK):
                    yield chunk
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise FileNotFoundError(path) from error
        except PermissionError as error:
            message = (
                f"{self._location.uri}: {path or target.name} is not readable by uid 10001; fix its mode or fsGroup"
            )
            raise FetchError("CredentialsRejected", message) from error
        except OSError as error:
            raise TransientError(str(error)) from error

    def explain_missing(self, path: str) -> FetchError:
        """Name the nearest directory entry."""
        folder = self._mount
        for part in [*self._location.path.split("/"), *path.split("/")]:
            if not part or (folder / part).exists():
                folder = folder / part
                continue
            names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
            near = difflib.get_close_matches(part, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"found {', '.join(names[:5]) or 'nothing'}"
            where = "/" + folder.relative_to(self._mount).as_posix().removeprefix(".")
            return FetchError("ModelNotFound", f"{self._location.uri}: no {part} in {where} of the claim; {hint}")
        return FetchError("ModelNotFound", f"{self._location.uri}: is not a file; check spec.model.uri")
