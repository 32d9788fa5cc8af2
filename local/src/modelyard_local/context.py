"""What a Dockerfile copies from the project, the hash of it, and a build context that holds exactly that.

The hash decides whether an image is built again; building from the same files makes the two agree.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import LocalError

IGNORED = re.compile(r"^(__pycache__|\..*_cache|\.venv|\.git|.*\.egg-info|.*\.pyc|node_modules)$")


def instructions(dockerfile: str) -> Iterator[str]:
    """Yield a Dockerfile's instructions, continued lines joined, comments dropped."""
    lines = (line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\s*\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            yield line.strip()


def sources(dockerfile: str) -> list[str]:
    """Return the context paths (may be patterns) that COPY, ADD and bind mounts of RUN read."""
    found: list[str] = []
    for instruction in instructions(dockerfile):
        keyword, _, rest = instruction.partition(" ")
        if keyword.upper() in ("COPY", "ADD") and "--from=" not in rest:
            found += _copied(rest)
        elif keyword.upper() == "RUN":
            found += _mounted(rest)
    return [path.strip("/") or "." for path in found]


def _copied(rest: str) -> list[str]:
    rest = re.sub(r"^(\s*--\S+)+", "", rest).strip()
    words = json.loads(rest) if rest.startswith("[") else shlex.split(rest)
    return [str(word) for word in words[:-1]]


def _mounted(rest: str) -> list[str]:
    found = []
    for mount in re.findall(r"--mount=(\S+)", rest):
        options = dict(part.partition("=")[::2] for part in mount.split(","))
        if options.get("type", "bind") == "bind" and "from" not in options:
            found.append(options.get("source") or options.get("src") or ".")
    return found


def collect(project: Path, dockerfile: Path, extra: Mapping[str, Path]) -> dict[str, Path]:
    """Return every file that a build may read: path in the context -> file. `extra` adds files from elsewhere."""
    files: dict[str, Path] = {}
    for pattern in sources(dockerfile.read_text()):
        chosen = {name: path for name, path in extra.items() if name == pattern or name.startswith(f"{pattern}/")}
        for path in [project] if pattern == "." else sorted(project.glob(pattern)):
            chosen |= {str(file.relative_to(project)): file for file in _files(path)}
        if not chosen:
            raise LocalError(f"{dockerfile.relative_to(project)} copies {pattern!r}, which is not in the project")
        files |= chosen
    return files


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not IGNORED.match(name))
        yield from (Path(folder, name) for name in sorted(names) if not IGNORED.match(name))


def digest(files: Mapping[str, Path], also: Mapping[str, str]) -> str:
    """Return a hash of paths, contents and executable bits, and of settings that decide the image too."""
    state = hashlib.sha256(json.dumps(sorted(also.items())).encode())
    for name in sorted(files):
        content = hashlib.sha256(files[name].read_bytes()).hexdigest()
        executable = os.access(files[name], os.X_OK)
        state.update(f"{name}\0{executable}\0{content}\n".encode())
    return state.hexdigest()[:12]


def stage(files: Mapping[str, Path], dockerfile: Path, target: Path) -> None:
    """Copy exactly these files and the Dockerfile to `target`."""
    if target.exists():
        shutil.rmtree(target)
    for name, file in files.items():
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy2(dockerfile, target / "Dockerfile")
