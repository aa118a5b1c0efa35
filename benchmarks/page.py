"""Frames a second of the page's map with 20,000 points, panned in headless Chromium: no graphics processor takes part.

python benchmarks/page.py [--out FILE]
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import measure
import numpy as np
import pandas as pd
from playwright.sync_api import sync_playwright

from isotropy import report

ROWS, FRAMES = 20_000, 240


def write_run(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    kinds = rng.integers(12, size=ROWS)
    x = (rng.normal(size=(12, 32))[kinds] * 1.5 + rng.normal(size=(ROWS, 32))).astype(np.float32)
    frame = pd.DataFrame(x, columns=[f"z{i}" for i in range(32)])
    frame.insert(0, "label", np.array(list("abcdefghijkl"))[kinds])
    frame.to_parquet(folder / "embeddings.parquet")
    (folder / "recipe.toml").write_text("")
    (folder / "model.json").write_text("{}")
    return report.write(folder)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "page.json")
    out = parser.parse_args().out
    found = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = write_run(Path(folder))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for ratio in (1, 2):
            context = browser.new_context(viewport={"width": 1280, "height": 900}, device_scale_factor=ratio)
            page = context.new_page()
            page.goto(path.as_uri())
            page.locator("#view").scroll_into_view_if_needed()
            size = page.evaluate("[explorer.map.canvas.width, explorer.map.canvas.height]")
            found[f"{size[0]} x {size[1]} pixels"] = page.evaluate(f"explorer.pan({FRAMES})")
            context.close()
        about = {"points": ROWS, "frames": FRAMES, "chromium": browser.version, "bytes": path.stat().st_size}
        browser.close()
    out.write_text(json.dumps(about | {"pan": found}, indent=1) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    main()
