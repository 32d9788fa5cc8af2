"""Writes the pages of docs/reference/, or of the folder that is given."""

import sys
from pathlib import Path

from . import conformance, kinds, metrics, packages, reasons, settings


def pages() -> dict[str, str]:
    """File name and text of every generated page."""
    return kinds.pages() | {
        "reasons.md": reasons.page(),
        "operator-settings.md": settings.operator_page(),
        "gateway-settings.md": settings.gateway_page(),
        "model-package.md": packages.page(),
        "model-server.md": settings.server_page(),
        "metrics.md": metrics.page(),
        "conformance.md": conformance.page(),
    }


def main() -> None:
    """Write the pages."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
