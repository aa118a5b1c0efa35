"""The command line. `app` lists every verb and its options; what a verb does stands in the file of its name."""

from isotropy.cli.command_line import main

__all__ = ["main"]
