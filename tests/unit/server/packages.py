"""Small packages for fetch tests: a valid card, some weights, sealed."""

import io
import tarfile
import zipfile
from pathlib import Path

from modelyard_server.package import files
from unit.server import live


def make(root: Path, extra: dict[str, bytes] | None = None) -> str:
    """Write a package below `root` and return its digest."""
    live.write_package(root, live.echo_card())
    for name, content in {"model.safetensors": b"w" * 5000, **(extra or {})}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return files.seal(root)


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def tar(path: Path, root: Path, top: str = "", mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in contents(root).items():
            add(archive, top + name, content)
    return path


def add(archive: tarfile.TarFile, name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.linkname = kind, len(content), "/etc/passwd"
    archive.addfile(entry, io.BytesIO(content))


def zipped(path: Path, root: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents(root).items():
            archive.writestr(name, content)
    return path
