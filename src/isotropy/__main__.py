"""The command line as a process of its own: `isotropy`, or `python -m isotropy`, which `torchrun -m isotropy` needs."""

import atexit
import os
import sys


def program() -> None:
    """Run the command line, and end the process without Python's last collection of garbage.

    That one goes through all modules of torch, which takes a second, to free what the system takes back anyway. What
    was to be done at the end is done: threads are waited for, and functions of `atexit` are called, before.
    """
    code = 1  # of an error that nobody expected

    def leave() -> None:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            return  # which Python's own end says
        os._exit(code)

    # The first to be registered is the last to be called.
    atexit.register(leave)
    from isotropy.cli import main

    try:
        main()
        code = 0
    except SystemExit as end:
        # Python prints any other code, and ends with 1.
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise


if __name__ == "__main__":
    program()
