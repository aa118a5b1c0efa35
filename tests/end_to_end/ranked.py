"""Commands one after the other on every rank. Started by `torchrun`, by the test of ranks."""

import json
import os
from pathlib import Path

import torch

from isotropy.cli import main
from isotropy.training import comm


def code_of(arguments: list[str]) -> int:
    """Run `isotropy` and return its exit code."""
    try:
        main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    # One group for all commands: a second one in the same processes finds the first one's addresses.
    with comm.process_group(torch.device("cpu")):
        codes = [code_of(arguments) for arguments in json.loads(Path("plan.json").read_text())]
    Path(f"{os.environ['RANK']}.json").write_text(json.dumps(codes))
