"""Make the pictures of README.md, docs/index.md and docs/report.md again: runs by the commands, pages in Chromium.

    python docs/build_screenshots.py

takes minutes, and Chromium (apt-get install chromium). The data are scikit-learn's, or drawn here. Look at the pictures
before they are committed.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from sklearn.datasets import load_breast_cancer

IMAGES = Path(__file__).parent / "images"
ROW = 210


def isotropy(line: str, folder: Path) -> None:
    """Run a command in a folder, without progress."""
    subprocess.run([sys.executable, "-m", "isotropy", *line.split()], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def write_table(path: Path) -> None:
    """Write scikit-learn's table of tumours with a column of words beside its first numbers."""
    frame, columns = load_breast_cancer(as_frame=True).frame, 14
    table = frame.iloc[:, :columns].assign(site=np.random.default_rng(0).choice(["north", "south", "west"], len(frame)))
    table.insert(0, "diagnosis", np.where(frame["target"] == 1, "benign", "malignant"))
    table.to_csv(path, index=False)


def write_recording(path: Path, seconds: int = 600, rate: int = 20) -> None:
    """Write three axes of an accelerometer: rest, walking and running in bouts of 20 seconds."""
    rng, time = np.random.default_rng(0), np.arange(seconds * rate) / rate
    activity = np.array(["rest", "walk", "run"])[(time // 20).astype(int) % 3]
    steps = pd.Series(activity).map({"rest": 0.2, "walk": 1.8, "run": 2.9}).to_numpy()
    strength = pd.Series(activity).map({"rest": 0.05, "walk": 0.8, "run": 1.6}).to_numpy()
    phase = 2 * np.pi * np.cumsum(steps) / rate
    axes = {f"acc_{name}": strength * np.sin(phase + turn) + 0.15 * rng.normal(size=len(time))
            for name, turn in (("x", 0.0), ("y", 1.6), ("z", 2.4))}  # fmt: skip
    pd.DataFrame({"time": time, **axes, "activity": activity}).to_csv(path, index=False)


@contextmanager
def opened(path: Path, width: int, height: int) -> Iterator[Page]:
    """Open a page of a run in a window, without network."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": width, "height": height}, offline=True).new_page()
        page.goto(path.as_uri())
        while not page.evaluate("!!window.explorer && !!explorer.map.pixels"):
            page.wait_for_timeout(50)
        yield page
        browser.close()


def keep(page: Page, name: str) -> None:
    """Write what the window shows."""
    page.wait_for_timeout(500)
    Image.open(BytesIO(page.screenshot())).convert("RGB").save(IMAGES / f"{name}.webp", quality=80, method=6)


def pick(page: Page) -> None:
    """Take a row on the map, by the search, without the scrolling that Enter begins."""
    page.emulate_media(reduced_motion="reduce")
    page.locator("#search").fill(f"#{ROW}")
    page.locator("#search").press("Enter")
    page.locator("#search").fill("")
    page.locator("#search").blur()


def pictures(runs: Path) -> None:
    """Write the pictures of the pages of these runs."""
    with opened(runs / "demo" / "report.html", 860, 1170) as page:
        keep(page, "report-digits")
    for run, picture in (("demo", "digits-map"), ("tumours", "table"), ("walk", "recording")):
        with opened(runs / run / "report.html", 1000, 800) as page:
            pick(page)
            page.evaluate("document.getElementById('map').scrollIntoView()")
            keep(page, f"report-{picture}")
    with opened(runs / "unlabelled" / "report.html", 900, 987) as page:
        pick(page)
        page.evaluate("scrollTo(0, 0)")
        keep(page, "report-unlabelled")


def main() -> None:
    """Make the runs and the pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder / "tumours.csv")
        write_recording(folder / "walk.csv")
        for line in (
            "demo",
            "fit tumours.csv --label diagnosis --epochs 60 --out runs/tumours",
            "audit runs/tumours",
            "fit walk.csv --time time --window 2s --hop 1s --label activity --epochs 30 --out runs/walk",
            "fit tumours.csv --drop diagnosis --epochs 60 --out runs/unlabelled",
        ):
            print(line, flush=True)
            isotropy(line, folder)
        pictures(folder / "runs")


if __name__ == "__main__":
    main()
