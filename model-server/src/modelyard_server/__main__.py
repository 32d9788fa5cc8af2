"""Entry point of `modelyard-server` and `python -m modelyard_server`."""

import sys

from modelyard_server import commands


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; a command line that begins with a flag of `serve` means `serve`."""
    arguments = sys.argv[1:] if argv is None else argv
    named = arguments and (arguments[0] in commands.COMMANDS or arguments[0] in {"-h", "--help", "--version"})
    if not named:
        arguments = ["serve", *arguments]
    parsed = commands.parser().parse_args(arguments)
    run = {"serve": commands.serve, "fetch": commands.fetch, "verify": commands.verify, "pack": commands.pack}
    return run[parsed.command](parsed)


if __name__ == "__main__":
    sys.exit(main())
