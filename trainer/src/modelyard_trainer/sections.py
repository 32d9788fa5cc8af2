"""One-line descriptions of Debian packages, and the archive section that each belongs to: real text, real labels.

The corpus is a file of tab-separated lines. The image of the trainer holds one, made from the package lists of Debian
when the image was built; elsewhere `modelyard-trainer corpus` makes one on any Debian or Ubuntu.
"""

import gzip
import re
import subprocess
from pathlib import Path

import numpy as np

from modelyard_trainer import datasets
from modelyard_trainer.datasets import Dataset

CORPUS = Path("/opt/modelyard/data/sections.tsv.gz")
SECTIONS = ("database", "fonts", "games", "graphics", "mail", "net", "science", "sound")
MOST = 400
"""Descriptions of a section, at most: the large ones would decide for all."""


def load(data: Path | None) -> Dataset:
    """Descriptions and sections; raises FileNotFoundError that says how to get them."""
    path = data or CORPUS
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `modelyard-trainer corpus FILE` makes one for --data FILE")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    pairs = [line.split("\t", 1) for line in lines]
    labels = sorted({section for section, _ in pairs})
    texts = np.array([text for _, text in pairs], np.object_)
    targets = np.array([labels.index(section) for section, _ in pairs], np.int64)
    return datasets.split("package sections", (), tuple(labels), (texts, targets))


def write(path: Path) -> int:
    """Make a corpus from the package lists of this machine; how many lines it has."""
    listed = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True, text=True).stdout
    lines = extract(listed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))
    return len(lines)


def extract(listed: str) -> list[str]:
    """Section and description of packages in the chosen sections, every description once, evenly over the alphabet."""
    found: dict[str, dict[str, None]] = {section: {} for section in SECTIONS}
    for paragraph in listed.split("\n\n"):
        section = re.search(r"^Section: (\S+)$", paragraph, re.MULTILINE)
        text = re.search(r"^Description(?:-en)?: (.+)$", paragraph, re.MULTILINE)
        if section is not None and text is not None and section[1] in found:
            found[section[1]].setdefault(text[1].strip())
    chosen = {section: list(texts) for section, texts in found.items()}
    return [
        f"{section}\t{texts[position]}"
        for section, texts in chosen.items()
        for position in np.linspace(0, len(texts) - 1, min(MOST, len(texts))).round().astype(int).tolist()
    ]
