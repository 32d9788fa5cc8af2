"""Which paths and formats a package may hold. Formats that run code when they are loaded need an explicit Allow."""

from collections.abc import Iterable
from pathlib import PurePosixPath

UNSAFE_SUFFIXES = frozenset(
    {".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".pt", ".pth", ".bin", ".ckpt", ".pt2", ".npy", ".npz",
     ".h5", ".hdf5", ".keras", ".pb", ".mar", ".py", ".pyc", ".so", ".dll", ".dylib", ".exe", ".sh"}
)  # fmt: skip
MAX_PATH = 512


def path_problem(path: str) -> str | None:
    """Why `path` must not be written below a directory, or None when it is a plain relative POSIX path."""
    if not path or len(path) > MAX_PATH:
        return f"has {len(path)} characters, allowed are 1 to {MAX_PATH}"
    if path.startswith("/") or (len(path) > 1 and path[1] == ":"):
        return "is absolute"
    if "\\" in path or any(ord(character) < 32 or ord(character) == 127 for character in path):
        return "holds a backslash or a control character"
    if any(part in {"", ".", ".."} for part in path.split("/")):
        return "holds an empty, '.' or '..' part"
    return None


def unsafe_files(paths: Iterable[str]) -> list[str]:
    """The paths whose format can run code on load, sorted; a suffix anywhere in the name counts (`model.pkl.gz`)."""
    return sorted(path for path in paths if UNSAFE_SUFFIXES & {s.lower() for s in PurePosixPath(path).suffixes})
