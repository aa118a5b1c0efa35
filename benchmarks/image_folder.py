"""Decoding a folder of JPEG files: `isotropy.data.read` beside two processes that do nothing but Pillow's part.

    python benchmarks/image_folder.py [--busy] [--files N] [--pictures FILE.npz] [--out FILE]

Two folders: N pictures of 32 x 32, and a tenth as many photos of 400 x 300 that are brought to 224 x 224. They are cut
from the two photos of scikit-learn; the small ones may be taken from the arrays `jpeg_train` (bytes of JPEG files, one
after another) and `offsets_train` of a file instead. Every decoding is a process of its own and begins when its modules
are there and its workers wait; Pillow's side opens, converts and resizes, and keeps nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import measure
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

FILES, PAIRS, LEAST = 20_000, 4, 0.9
CLOCKS = """
import json, sys, time
from pathlib import Path
folder, side = Path(sys.argv[1]), int(sys.argv[2])
def told(seconds, busy):
    print(json.dumps({"seconds": seconds, "busy": busy}))
"""
PILLOW = (
    CLOCKS
    + """
from multiprocessing import get_context
import numpy as np
from PIL import Image, ImageOps
def decoded(paths):
    start = time.process_time()
    for path in paths:
        with Image.open(path) as image:
            image.draft(None, (2 * side, 2 * side))
            image = image.convert("RGB")
            if image.size != (side, side):
                image = ImageOps.fit(image, (side, side), Image.Resampling.BILINEAR)
            np.asarray(image)
    return time.process_time() - start
if __name__ == "__main__":
    paths = sorted(folder.iterdir())
    with get_context("fork").Pool(2) as pool:
        pool.map(decoded, [paths[:50]] * 2, 1)
        start = time.perf_counter()
        busy = sum(pool.imap_unordered(decoded, [paths[n : n + 100] for n in range(0, len(paths), 100)]))
        told(time.perf_counter() - start, busy)
"""
)
OURS = (
    CLOCKS
    + """
import resource
from isotropy.data import read
def worked():
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
start, busy = time.perf_counter(), worked()
images = read(folder, size=side).values
told(time.perf_counter() - start, worked() - busy)
assert images.shape == (len(list(folder.iterdir())), 3, side, side)
"""
)


def write(folder: Path, side: tuple[int, int], count: int) -> None:
    """Write pictures (width, height) cut from scikit-learn's photos."""
    draw = np.random.default_rng(0)
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    folder.mkdir()
    for number in range(count):
        photo = photos[number % len(photos)]
        left, top = (int(draw.integers(0, whole - part)) for whole, part in zip(photo.size, side, strict=True))
        photo.crop((left, top, left + side[0], top + side[1])).save(folder / f"{number:05d}.jpg", quality=75)


def write_from(folder: Path, pictures: Path, count: int) -> None:
    """Write the first JPEG files that an archive holds."""
    folder.mkdir()
    with np.load(pictures) as archive:
        data, offsets = archive["jpeg_train"].tobytes(), archive["offsets_train"]
    for number in range(min(count, len(offsets) - 1)):
        picture = data[offsets[number] : offsets[number + 1]]
        assert Image.open(BytesIO(picture)).size == (32, 32), "pictures of 32 x 32 are wanted"
        (folder / f"{number:05d}.jpg").write_bytes(picture)


def child(program: str, folder: Path, side: int) -> dict[str, float]:
    """Return what decoding a folder took, with nothing decoded before."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-c", program, str(folder), str(side)]
        free = os.environ | {"ISOTROPY_CACHE": cache}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=free)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    parser = measure.parser("image_folder", "decoding JPEG files")
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--pictures", type=Path)
    arguments = measure.start(parser)
    clock = "busy" if arguments.busy else "seconds"
    rows = []
    with tempfile.TemporaryDirectory() as place:
        small, photos = Path(place, "small"), Path(place, "photos")
        if arguments.pictures:
            write_from(small, arguments.pictures, arguments.files)
        else:
            write(small, (32, 32), arguments.files)
        write(photos, (400, 300), arguments.files // 10)
        for folder, side in ((small, 32), (photos, 224)):
            found: dict[str, list[float]] = {PILLOW: [], OURS: []}
            for pair in range(PAIRS):
                for program in list(found) if pair % 2 else reversed(list(found)):
                    found[program].append(child(program, folder, side)[clock])
            name = f"{folder.name}, {side} px: two processes of Pillow / read"
            rows.append(measure.row(name, found[PILLOW], found[OURS], LEAST))
    return measure.finish("image_folder", rows, arguments.out, files=arguments.files)


if __name__ == "__main__":
    sys.exit(main())
