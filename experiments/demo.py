"""What `make demo` runs: the handwritten digits that ship with scikit-learn, from a file to the evidence.

The digits are 1797 images of 8 x 8 pixels, written here as a .csv of 64 columns and a label, as a person has it.
"""

import shutil
from pathlib import Path

from sklearn.datasets import load_digits

from isotropy.cli import main

FOLDER = Path("runs")


def write_digits(path: Path) -> None:
    digits = load_digits(as_frame=True)
    digits.frame.rename(columns={"target": "digit"}).to_csv(path, index=False)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    run, data = FOLDER / "demo", FOLDER / "digits.csv"
    shutil.rmtree(run, ignore_errors=True)
    write_digits(data)
    command = ["fit", str(data), "--label", "digit", "--method", "lfr", "--budget", "60s", "--out", str(run)]
    print("$ isotropy", *command, flush=True)
    main(command)
