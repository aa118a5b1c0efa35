"""What `make demo` runs: the handwritten digits that ship with scikit-learn, from a file to the evaluation.

The 1797 images of 8 x 8 pixels are written to an .npz file, as a user may have one. A mirrored digit is another shape,
so views are not flipped. A small part of a digit cannot be recognised, so crops cover at least half of it.
"""

import shlex
import shutil
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from isotropy.cli import main

COMMAND = """fit runs/digits.npz --label-key digit --method simclr --epochs 40
--set views.flip=0 --set views.scale=[0.5,1.0] --out runs/demo"""


def write_digits(path: Path) -> None:
    """Write the digits and their labels to an .npz file."""
    digits = load_digits()
    np.savez(path, X=(digits.images * 255 / 16).round().astype(np.uint8), digit=digits.target)


if __name__ == "__main__":
    Path("runs").mkdir(exist_ok=True)
    shutil.rmtree("runs/demo", ignore_errors=True)
    write_digits(Path("runs/digits.npz"))
    print("$ isotropy", " ".join(COMMAND.split()), flush=True)
    main(shlex.split(COMMAND))
