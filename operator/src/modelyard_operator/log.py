"""Log lines: JSON for machines, text for people; never the body of an object."""

import json
import logging
from datetime import UTC, datetime


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def configure(style: str, level: str) -> None:
    """Send everything to standard error in one style."""
    handler = logging.StreamHandler()
    text = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    handler.setFormatter(JsonFormatter() if style == "json" else logging.Formatter(text))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # kopf tells of every handler call; our own lines say what was done.
    logging.getLogger("kopf").setLevel(max(logging.WARNING, logging.getLevelName(level)))
