"""Images that processes decode are those that are decoded here, whatever becomes of the processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from isotropy.data import image_decoding, read
from isotropy.decoding import processes
from isotropy.errors import UserError

NOISE = np.random.default_rng(0).integers(0, 255, (40, 2, 34, 32, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOTROPY_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """Return a folder of small images of many kinds, some turned, transparent, deep in folders, or damaged."""
    place = tmp_path / "small"
    for name in ("a", "b/c"):
        (place / name).mkdir(parents=True)
    turned = Image.Exif()
    turned[0x0112] = 6
    for number, (plain, other) in enumerate(NOISE):
        image = Image.fromarray(plain)
        image.save(place / "a" / f"{number}.jpg", **({"exif": turned} if number % 5 == 0 else {}))
        image = Image.fromarray(other)
        alpha = image.convert("RGBA")
        alpha.putalpha(100)
        (alpha if number % 7 == 0 else image).save(place / "b/c" / f"{number}.png")
    whole = (place / "a" / "1.jpg").read_bytes()
    (place / "a" / "1.jpg").write_bytes(whole[:-30])
    (place / "b/c" / "2.png").write_bytes(b"no image")
    return place


@pytest.fixture
def started(monkeypatch):
    """Let two processes decode whatever number of images, six at a time, and return those that were started."""
    monkeypatch.setattr(image_decoding, "MANY", 0)
    monkeypatch.setattr(image_decoding, "_TOGETHER", 6)
    monkeypatch.setattr(image_decoding, "_cores", lambda: 2)
    found, start = [], processes._started
    monkeypatch.setattr(processes, "_started", lambda: found.append(start()) or found[-1])
    return found


def same(one, other):
    assert np.array_equal(one.values, other.values)
    assert one.description == other.description and one.files.tolist() == other.files.tolist()


def here(folder, tmp_path, **options):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(image_decoding, "MANY", 10**9)
        return read(folder, max_bad=2, store=tmp_path / "here", **options)


def test_processes_give_what_is_decoded_here_and_leave_nothing(folder, started, tmp_path):
    seen = []
    found = read(folder, max_bad=2, progress=lambda done, count: seen.append((done, count)))
    assert len(started) == 2 and len(found) == 78
    assert "1 unreadable" not in found.description and "2 unreadable left out" in found.description
    assert "transparency" in found.description and seen[-1] == (80, 80)
    same(found, here(folder, tmp_path))
    assert all(one.poll() is not None for one in started), "they have ended"
    with pytest.raises(UserError, match="2 of 80 images cannot be read"):
        read(folder, store=tmp_path / "other")


def test_a_form_that_the_sample_did_not_tell_is_found(folder, started, tmp_path, monkeypatch):
    # A sample of two: grey, and of 32 pixels; most of the others are coloured, and larger.
    for name in ("0.jpg", "22.jpg"):
        Image.fromarray(NOISE[0, 0, :, :, 0]).save(folder / "a" / name)
    for path in (folder / "b/c").iterdir():
        if path.name != "2.png":
            Image.fromarray(NOISE[0, 0]).resize((90, 90)).save(path)
    for path in list((folder / "a").iterdir())[::2]:
        Image.fromarray(NOISE[0, 0]).resize((90, 90)).save(path)
    monkeypatch.setattr(image_decoding, "_SAMPLE", 2)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))
    for name in names[::40]:
        Image.fromarray(NOISE[0, 0, :, :, 0]).save(folder / name)
    found = read(folder, max_bad=2)
    assert len(started) == 2 and found.values.shape[1:] == (3, 64, 64)
    same(found, here(folder, tmp_path))


def test_images_in_a_table_are_decoded_by_processes_as_bytes(folder, started, tmp_path):
    paths = sorted(folder.rglob("*.*"))
    cells = [path.read_bytes() if number % 3 else None for number, path in enumerate(paths)]
    frame = pd.DataFrame({"image": [{"bytes": cell, "path": None} for cell in cells]})
    found = read(frame, image_column="image", max_bad=30)
    assert len(started) == 2 and 50 < len(found) < 54
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(image_decoding, "MANY", 10**9)
        assert np.array_equal(read(frame, image_column="image", max_bad=30, store=tmp_path / "s").values, found.values)


@pytest.mark.parametrize("fails", ["killed", "never started", "no interpreter"])
def test_what_processes_leave_unanswered_is_decoded_here(folder, started, tmp_path, monkeypatch, fails):
    if fails == "killed":
        # One after its first answer, the other before it.
        asked, real = [], processes._asked

        def killing(process, files, form):
            if len(asked) < 2:
                asked.append(real(process, files, form) if not asked else process)
                process.kill()
                process.wait()
            return real(process, files, form)

        monkeypatch.setattr(processes, "_asked", killing)
    elif fails == "never started":
        monkeypatch.setattr(subprocess, "Popen", refusing)
    else:
        monkeypatch.setattr(sys, "executable", None)
    same(read(folder, max_bad=2), here(folder, tmp_path))


def refusing(*_, **__):
    raise OSError("no more processes")


def test_processes_end_with_an_error_and_with_the_process_that_started_them(folder, started, tmp_path):
    def stop(done, _):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(folder, max_bad=2, progress=stop)
    assert len(started) == 2 and all(one.poll() is not None for one in started)
    code = (
        "import sys, time; from isotropy.decoding.processes import Processes\n"
        "found = Processes(2); print(*(one.pid for one in found._all), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(pids) == 2 and not any(alive(pid) for pid in pids)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_process_imports_no_torch():
    code = "import sys, isotropy.decoding.worker; assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)


@pytest.mark.parametrize("many, cores", [(90, 2), (0, 1)])
def test_few_images_and_one_core_start_no_process(folder, started, monkeypatch, many, cores):
    monkeypatch.setattr(image_decoding, "MANY", many)
    monkeypatch.setattr(image_decoding, "_cores", lambda: cores)
    read(folder, max_bad=2)
    assert started == []
