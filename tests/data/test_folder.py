import io
import json
import os
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from isotropy.data import ImagePreprocess, image_decoding, image_store, read
from isotropy.data.image_store import cache
from isotropy.data.readers import options_for
from isotropy.decoding.image_files import Form, Head, decode, head
from isotropy.errors import UserError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOTROPY_CACHE", str(tmp_path / "cache"))


def picture(path, size=(40, 40), colour=(200, 30, 60), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path, **options)


def pixels(path, size, channels, **options):
    return decode(path.read_bytes(), Form(size=(size, size), channels=channels, **options)).pixels


@pytest.fixture
def animals(tmp_path):
    root = tmp_path / "animals"
    for place in range(4):
        picture(root / "cat" / f"{place}.png", colour=(50 * place, 0, 0))
        picture(root / "dog" / f"{place}.jpg", size=(60, 40), colour=(0, 50 * place, 0))
    (root / "notes.txt").write_text("no image")
    (root / ".hidden").mkdir()
    picture(root / ".hidden" / "x.png")
    return root


def test_images_are_decoded_in_the_order_of_their_names(animals):
    data = read(animals, label="folder")
    assert data.modality == "image" and data.values.shape == (8, 3, 32, 32) and data.values.dtype == np.uint8
    assert data.labels.tolist() == ["cat"] * 4 + ["dog"] * 4
    assert data.values[:4, 0, 5, 5].tolist() == [0, 50, 100, 150]
    np.testing.assert_allclose(data.values[4:, 1, 5, 5], [0, 50, 100, 150], atol=3)
    assert data.description == (
        "animals: RGB images brought to 32x32, 8 rows; labels from the folders' names; 1 other files ignored"
    )
    assert read(animals).labels is None
    assert ImagePreprocess.learn(data.values).transform(data.values).shape == (8, 3, 32, 32)


def test_a_second_read_decodes_nothing_and_a_changed_file_everything(animals, monkeypatch):
    first = np.array(read(animals).values)
    seen = []
    monkeypatch.setattr(image_decoding, "image_in", lambda *given: seen.append(given[0]) or decode(*given))
    assert np.array_equal(read(animals).values, first) and not seen
    picture(animals / "cat" / "0.png", colour=(255, 255, 255))
    os.utime(animals / "cat" / "0.png", ns=(1, 1))
    again = read(animals).values
    assert len(seen) == 8 and again[0].min() == 255 and np.array_equal(again[1:], first[1:])
    assert len(list(cache().rglob("*.npy"))) == 1, "the stale array is gone"


def test_small_images_are_the_same_decoded_here_or_in_threads(animals, tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    for place, mode in enumerate(("RGB", "L")):
        Image.fromarray(noise).convert(mode).save(animals / f"plain{place}.jpg")
    (animals / "cut.jpg").write_bytes((animals / "plain0.jpg").read_bytes()[:-40])
    here = read(animals, max_bad=1, store=tmp_path / "here")
    monkeypatch.setattr(image_decoding, "SMALL_SIDE", 0)
    threads = read(animals, max_bad=1, store=tmp_path / "threads")
    np.testing.assert_array_equal(here.values, threads.values)
    assert len(here.values) == 10 and here.description == threads.description
    np.testing.assert_array_equal(here.values[-1], pixels(animals / "plain1.jpg", 32, 3))


def test_store_names_the_place_and_nothing_is_left_beside(animals, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(image_decoding, "CHUNK", 3)
    data = read(animals, store=tmp_path / "here", size=24, progress=lambda done, total: calls.append((done, total)))
    assert data.values.shape == (8, 3, 24, 24) and calls == [(3, 8), (6, 8), (8, 8)]
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert len(names) == 2 and names[0].startswith("images-") and names[1] == "index.json"
    assert not cache().exists() and sorted(path.name for path in animals.iterdir()) == [
        ".hidden",
        "cat",
        "dog",
        "notes.txt",
    ]
    assert json.loads((tmp_path / "here" / "index.json").read_text())["files"][0] == "cat/0.png"


def test_an_interrupted_decode_leaves_nothing(animals, tmp_path):
    def stop(done, total):
        if done >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(animals, store=tmp_path / "here", progress=stop)
    assert list((tmp_path / "here").iterdir()) == []
    assert len(read(animals, store=tmp_path / "here")) == 8
    before = sorted(path.name for path in (tmp_path / "here").iterdir())
    os.utime(animals / "cat" / "0.png", ns=(1, 1))
    with pytest.raises(KeyboardInterrupt):
        read(animals, store=tmp_path / "here", progress=stop)
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == before


def test_a_full_disk_gets_one_line(animals, tmp_path, monkeypatch):
    def full(*given):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(UserError, match="cannot be written to .*here: No space left"):
        patched.setattr(image_store, "_write", full)
        read(animals, store=tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []
    monkeypatch.setattr(image_store.shutil, "disk_usage", lambda place: SimpleNamespace(free=10))
    with pytest.raises(UserError, match="GB free"):
        read(animals, store=tmp_path / "here")


def test_unreadable_images_are_named_counted_and_skipped_on_request(animals):
    whole = (animals / "dog" / "2.jpg").read_bytes()
    (animals / "dog" / "2.jpg").write_bytes(whole[: len(whole) // 2])
    (animals / "cat" / "1.png").write_text("no image at all")
    (animals / "cat" / "3.png").write_bytes(b"")
    with pytest.raises(
        UserError, match=r"3 of 8 images cannot be read \(cat/1.png: .*cat/3.png.*dog/2.jpg: .*--max-bad 3"
    ):
        read(animals)
    with pytest.raises(UserError, match="3 of 8"):
        read(animals, max_bad=2)
    data = read(animals, max_bad=3, label="folder")
    assert data.labels.tolist() == ["cat"] * 2 + ["dog"] * 3 and data.values.shape == (5, 3, 32, 32)
    assert data.values[:2, 0, 5, 5].tolist() == [0, 100]
    assert "3 unreadable left out: 'cat/1.png', 'cat/3.png', 'dog/2.jpg'" in data.description


def test_a_folder_of_unreadable_images_alone(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.png").write_text("no")
    for _ in range(2):
        with pytest.raises(UserError, match="1 of 1 images cannot be read"):
            read(tmp_path / "f", max_bad=5)


def test_a_folder_without_images(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(UserError, match=r"holds no image \(1 other files\)"):
        read(tmp_path)


@pytest.mark.parametrize(("side", "size"), [(20, 32), (40, 32), (64, 64), (100, 96), (200, 128), (300, 224)])
def test_size_follows_the_median_shorter_side(tmp_path, side, size):
    for place, factor in enumerate((1, 1, 1, 3)):
        picture(tmp_path / "f" / f"{place}.png", size=(side * factor + 7, side * factor))
    assert read(tmp_path / "f").values.shape == (4, 3, size, size)


def test_grey_images_stay_grey_unless_told(tmp_path):
    picture(tmp_path / "f" / "a.png", mode="L")
    picture(tmp_path / "f" / "b.png", mode="1")
    assert read(tmp_path / "f").values.shape == (2, 1, 32, 32)
    assert read(tmp_path / "f", channels=3).values.shape == (2, 3, 32, 32)
    picture(tmp_path / "f" / "c.png")
    assert read(tmp_path / "f").values.shape == (3, 3, 32, 32)
    assert read(tmp_path / "f", channels=1).values.shape == (3, 1, 32, 32)
    with pytest.raises(UserError, match="a.png: it has 1 channels, not 5"):
        read(tmp_path / "f", channels=5)
    with pytest.raises(UserError, match="at least 1 channel"):
        read(tmp_path / "f", channels=0)


def test_sixteen_bits_become_eight(tmp_path):
    levels = (np.arange(32 * 32).reshape(32, 32) * 64).astype(np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    found = pixels(tmp_path / "a.png", 32, 1, levels=(0, 65535))[0]
    np.testing.assert_array_equal(found, np.rint(levels / 257))


def test_images_are_upright_centred_and_unstretched(tmp_path):
    wide = Image.new("RGB", (90, 30))
    wide.paste((0, 255, 0), (30, 0, 60, 30))
    wide.save(tmp_path / "wide.png")
    assert (pixels(tmp_path / "wide.png", 30, 3)[1] == 255).all()
    exif = Image.Exif()
    exif[0x0112] = 6
    top = Image.new("RGB", (32, 32))
    top.paste((255, 255, 255), (0, 0, 16, 32))
    top.save(tmp_path / "turned.png", exif=exif)
    turned = pixels(tmp_path / "turned.png", 32, 1)
    assert turned[0, :16].min() == 255 and turned[0, 16:].max() == 0


def test_large_jpegs_are_shrunk_like_any_image(tmp_path):
    levels = np.tile(np.repeat([40, 200], 16), 16).astype(np.uint8)
    image = Image.fromarray(np.broadcast_to(levels, (512, 512)).copy())
    image.save(tmp_path / "a.jpg", quality=95)
    image.save(tmp_path / "a.png")
    jpeg, png = (pixels(tmp_path / name, 128, 1).astype(int) for name in ("a.jpg", "a.png"))
    assert abs(jpeg - png).max() <= 6 and png.std() > 70


@pytest.mark.parametrize("other", ["test", "val"])
def test_folders_called_train_and_test_are_the_parts(tmp_path, other):
    for part in ("train", other):
        for name in ("a", "b"):
            picture(tmp_path / "f" / part / name / "0.png")
    data = read(tmp_path / "f", label="folder")
    assert data.labels.tolist() == ["a", "b", "a", "b"]
    assert (
        sorted(data.split.tolist()) == ["test", "test", "train", "train"] and f"train and {other}" in data.description
    )


def test_labels_of_a_folder(animals):
    with pytest.raises(UserError, match="label='folder'"):
        read(animals, label="species")
    with pytest.raises(UserError, match="cat has no class folders"):
        read(animals / "cat", label="folder")
    assert read(animals, label=list("aabbccdd")).labels.tolist() == list("aabbccdd")
    with pytest.raises(UserError, match="read as images, not as table"):
        read(animals, modality="table")


def test_cache_follows_the_environment(monkeypatch, tmp_path):
    assert cache() == tmp_path / "cache"
    monkeypatch.delenv("ISOTROPY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache() == tmp_path / "x" / "isotropy"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache() == tmp_path / ".cache" / "isotropy"


def test_an_image_that_ends_early_is_damaged_whatever_the_format(tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (33, 40, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x010E] = "x"
    for suffix, options in {
        ".png": {}, ".jpg": {"exif": exif}, ".gif": {}, ".webp": {"lossless": True}, ".bmp": {}, ".ppm": {}, ".tif": {},
        ".tiff": {"compression": "tiff_lzw"},
    }.items():  # fmt: skip
        whole = tmp_path / f"whole{suffix}"
        Image.fromarray(levels).save(whole, **options)
        data = whole.read_bytes()
        form = Form(size=(32, 32), channels=3)
        assert not isinstance(decode(data, form), str), suffix
        assert not isinstance(decode(data + (b"" if suffix == ".gif" else b"trailing"), form), str), suffix
        for cut in (1, 2, 3, len(data) // 2):
            assert isinstance(decode(data[:-cut], form), str), (suffix, cut)


def test_a_pipe_a_broken_link_and_a_loop_in_a_folder(animals, tmp_path):
    os.mkfifo(animals / "cat" / "pipe.png")
    (animals / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (animals / "cat" / "again").symlink_to(animals)
    (tmp_path / "birds").mkdir()
    picture(tmp_path / "birds" / "0.png")
    (animals / "bird").symlink_to(tmp_path / "birds")
    with pytest.raises(UserError, match="1 of 9|1 of 10 images cannot be read .cat/gone.png: No such file"):
        read(animals)
    data = read(animals, max_bad="20%", label="folder")
    assert sorted(set(data.labels)) == ["bird", "cat", "dog"] and len(data) == 9
    assert "2 other files ignored" in data.description


def test_a_damaged_cache_is_decoded_again(animals, tmp_path):
    here = tmp_path / "here"
    right, said = np.array(read(animals, store=here).values), read(animals, store=here).description
    (array,) = here.glob("*.npy")
    whole, index = array.read_bytes(), (here / "index.json").read_bytes()
    for damage in (
        whole[:-1],
        whole[:40],
        b"",
        b"\x93NUMPY\x01\x00\x10\x00" + b"{}" * 8,
        b"\x93NUMPY\x01\x00\x10\x00" + b"{'descr': ((((((" + bytes(64),
        whole.replace(b"|u1", b"|i1"),
    ):
        array.write_bytes(damage)
        assert np.array_equal(read(animals, store=here).values, right)
    for damage in (b"[]", b"{}", index.replace(b'"files": [', b'"files": [1, '), index.replace(b'"bad"', b'"no"')):
        (here / "index.json").write_bytes(damage)
        assert np.array_equal(read(animals, store=here).values, right)
    about = json.loads(index)
    for name, value in [
        ("lost", ""),
        ("lost", {"cut": "x"}),
        ("bad", [[1, 2]]),
        ("bad", ["ab"]),
        ("places", [10**9] * 9),
    ]:
        (here / "index.json").write_text(json.dumps(about | {name: value}))
        assert read(animals, store=here).description == said, (name, value)
    for name, value in [("levels", "x"), ("levels", [1]), ("background", 5), ("size", [8, "8"])]:
        (here / "index.json").write_text(json.dumps(about | {"form": about["form"] | {name: value}}))
        assert read(animals, store=here).description == said, (name, value)


def test_a_bit_that_flipped_in_the_decoded_pixels_is_noticed(animals, tmp_path):
    here = tmp_path / "here"
    right = np.array(read(animals, store=here).values)
    (array,) = here.glob("*.npy")
    whole, index = array.read_bytes(), json.loads((here / "index.json").read_text())
    flipped = whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:]
    array.write_bytes(flipped)
    with pytest.warns(UserWarning, match="the decoded images in .*here were damaged, and are decoded again"):
        assert np.array_equal(read(animals, store=here).values, right)
    assert array.read_bytes() == whole
    # An index of an older version has no checksum, and its pixels are taken as they are.
    (here / "index.json").write_text(json.dumps({name: index[name] for name in index if name != "crc32"}))
    array.write_bytes(flipped)
    assert (read(animals, store=here).values != right).sum() == 1


def test_names_that_are_not_utf8(tmp_path):
    odd = os.fsdecode(b"caf\xe9")
    picture(tmp_path / "f" / odd / "a.png")
    picture(tmp_path / "f" / "b" / (odd + ".png"))
    data = read(tmp_path / "f", label="folder")
    assert data.labels.tolist() == ["b", "caf\\xe9"]
    data.description.encode()
    (tmp_path / "f").rename(tmp_path / odd)
    with pytest.raises(UserError, match=r"caf.xe9 is not UTF-8"):
        read(tmp_path / odd)


@pytest.mark.parametrize(
    ("top", "kind", "levels"),
    [
        (1.0, "f4", [0, 1]),
        (255, "i4", [0, 255]),
        (4095, "u2", [0, 4095]),
        (1000, "u2", [0, 1023]),
        (None, "f4", [-1, 1]),
    ],
)
def test_deep_images_keep_their_levels_and_new_ones_are_read_alike(tmp_path, top, kind, levels):
    values = np.linspace(-1 if top is None else 0, top or 1, 1024).reshape(32, 32).astype(kind)
    for name in ("train", "new"):
        (tmp_path / name).mkdir()
    Image.fromarray(values).save(tmp_path / "train" / "a.tiff")
    Image.fromarray(values[::-1].copy()).save(tmp_path / "train" / "b.tiff")
    low = np.where(values < values.mean(), values, values.min())
    Image.fromarray(low).save(tmp_path / "new" / "a.tiff")
    data = read(tmp_path / "train")
    assert data.form["levels"] == levels and f"levels {levels[0]} to {levels[1]} became 0 to 255" in data.description
    right = np.rint((values.astype(float) - levels[0]) * 255 / (levels[1] - levels[0]))
    np.testing.assert_array_equal(data.values[0, 0], right)
    learnt = ImagePreprocess.learn(data.values).with_form(data.form)
    learnt = ImagePreprocess.from_json(json.loads(json.dumps(learnt.to_json())))
    again = read(tmp_path / "new", **options_for(learnt, tmp_path / "new")).values
    np.testing.assert_array_equal(again[0, 0], np.where(values < values.mean(), right, right.min()))


def test_transparency_lies_over_a_ground_that_is_said(tmp_path):
    glyph = np.zeros((32, 32, 4), np.uint8)
    glyph[8:24, 8:24, 3] = 255
    (tmp_path / "f").mkdir()
    Image.fromarray(glyph).save(tmp_path / "f" / "a.png")
    Image.fromarray(glyph[..., 2:]).save(tmp_path / "f" / "b.png")
    Image.fromarray(glyph).convert("RGBA").quantize(4).save(tmp_path / "f" / "c.png")
    data = read(tmp_path / "f")
    assert "3 with transparency laid over white (background)" in data.description
    wanted = np.where(glyph[..., 3] > 0, 0, 255)
    for image in data.values:
        assert (image == wanted).all()
    dark = read(tmp_path / "f", background="#ff0000", channels=3)
    assert dark.values[0, :, 0, 0].tolist() == [255, 0, 0] and "laid over #ff0000" in dark.description
    assert read(tmp_path / "f", channels=4, max_bad=0).values[0, 3, 0, 0] == 0
    with pytest.raises(UserError, match="background = 'whitish' is no colour"):
        read(tmp_path / "f", background="whitish")


def test_a_panorama_is_said_to_be_cut_and_kept_on_request(tmp_path):
    wide = Image.new("RGB", (120, 30))
    wide.paste((255, 255, 255), (0, 0, 20, 30))
    (tmp_path / "f").mkdir()
    wide.save(tmp_path / "f" / "a.png")
    data = read(tmp_path / "f")
    assert "1 lost more than 40 % to the cut to the middle (fit: pad or stretch keeps all" in data.description
    assert data.values.max() == 0
    stretched, padded = (read(tmp_path / "f", fit=fit, background="blue").values[0] for fit in ("stretch", "pad"))
    assert stretched[0, :, 0].min() == 255
    assert padded[:, 0, 0].tolist() == [0, 0, 255] and padded[0, 16, 0] == 255
    long = read(tmp_path / "f", size=[30, 120])
    assert long.values.shape == (1, 3, 30, 120) and "lost" not in long.description and long.values[0, 0, 0, 0] == 255
    assert options_for(ImagePreprocess.learn(np.concatenate([long.values] * 2)).with_form(long.form), tmp_path)[
        "size"
    ] == [30, 120]
    with pytest.raises(UserError, match="fit = 'strech' is unknown.*'stretch'"):
        read(tmp_path / "f", fit="strech")


def test_animations_and_stacks(tmp_path):
    pages = [Image.new("L", (32, 32), level) for level in (10, 20, 30, 40, 50)]
    (tmp_path / "f").mkdir()
    pages[0].save(tmp_path / "f" / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "f" / "b.gif", save_all=True, append_images=pages[1:])
    data = read(tmp_path / "f", channels=1)
    assert data.values[:, 0, 0, 0].tolist() == [10, 10] and "of 2 with several pictures the first" in data.description
    (tmp_path / "f" / "b.gif").unlink()
    stack = read(tmp_path / "f", channels=5)
    assert stack.values[0, :, 0, 0].tolist() == [10, 20, 30, 40, 50] and "5-channel images" in stack.description


def test_a_tiff_that_pillow_does_not_read_is_told_how_to_be_saved(tmp_path):
    # 4 x 4 floats of 64 bits in one strip.
    tags = [(256, 4), (257, 4), (258, 64), (259, 1), (262, 1), (273, 200), (277, 1), (278, 4), (279, 128), (339, 3)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0)
    (tmp_path / "a.tif").write_bytes(data.ljust(200, b"\0") + bytes(128))
    with pytest.raises(UserError, match="a.tif: no image that Pillow knows: one channel a page is, of at most 32 bits"):
        read(tmp_path)


def test_cmyk_and_palettes_are_colours(tmp_path):
    for mode, suffix in (("CMYK", ".jpg"), ("CMYK", ".tif"), ("P", ".png"), ("P", ".gif")):
        picture(tmp_path / "f" / f"{mode}{suffix}", colour=(200, 30, 60), mode=mode)
    data = read(tmp_path / "f")
    np.testing.assert_allclose(data.values[:, :, 9, 9], np.tile([200, 30, 60], (4, 1)), atol=26)


def test_max_bad_may_be_a_share(animals):
    (animals / "cat" / "1.png").write_text("no image at all")
    with pytest.raises(UserError, match="max_bad=1; --max-bad 1 on the command line"):
        read(animals, max_bad="10%")
    assert (
        len(read(animals, max_bad=0.2)) == len(read(animals, max_bad="12.5%")) == len(read(animals, max_bad="1")) == 7
    )
    for wrong in ("many", -1, "101%", 1.5, "nan"):
        with pytest.raises(UserError, match="no number of images, nor a share"):
            read(animals, max_bad=wrong)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"exif": b"Exif\0\0" + b"x" * 9000}]
)
def test_headers_of_jpegs_tell_what_pillow_tells(options):
    for mode in ("RGB", "L", "CMYK"):
        out = io.BytesIO()
        Image.new(mode, (70, 40)).save(out, "JPEG", **options)
        assert head(io.BytesIO(out.getvalue())) == Head(40, mode == "L", False)
    assert head(io.BytesIO(out.getvalue()[:20])) is None
