"""Entry point of `modelyard-trainer` and `python -m modelyard_trainer`."""

import sys

from modelyard_trainer import commands


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand."""
    return commands.run(commands.parser().parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
