"""What `make demo` runs: the handwritten digits that ship with scikit-learn, from a file to the evidence.

The 1797 images of 8 x 8 pixels are written as the .npz that a person may have. Digits are not their mirror images, so
the views are not flipped; and a small part of a digit is no digit, so crops cover at least half of it.
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
    """Write the digits as the .npz that a person may have."""
    digits = load_digits()
    np.savez(path, X=(digits.images * 255 / 16).round().astype(np.uint8), digit=digits.target)


if __name__ == "__main__":
    Path("runs").mkdir(exist_ok=True)
    shutil.rmtree("runs/demo", ignore_errors=True)
    write_digits(Path("runs/digits.npz"))
    print("$ isotropy", " ".join(COMMAND.split()), flush=True)
    main(shlex.split(COMMAND))
