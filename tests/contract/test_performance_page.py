"""docs/performance.md and its pictures are what bench/report makes of the committed results."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_committed_page_is_the_generated_one(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "bench.report", str(tmp_path)], cwd=ROOT, check=True)
    made = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    committed = [ROOT / "docs/performance.md", *(ROOT / "docs/performance").glob("*")]
    assert made == {str(path.relative_to(ROOT / "docs")): path.read_text() for path in committed}
