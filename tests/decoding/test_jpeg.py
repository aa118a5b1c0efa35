"""A plain JPEG file is decoded to what Pillow's own reading of it gives, and every other file by Pillow's."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from isotropy.decoding import jpeg
from isotropy.decoding.image_files import Form, decode

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 9, 3), dtype=np.uint8)).resize((60, 80))
TURNED = Image.Exif()
TURNED[0x0112] = 6
PLAIN = [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 2}, {"comment": b"hi"}]


def written(mode="RGB", picture=PICTURE, **options):
    out = io.BytesIO()
    picture.convert(mode).save(out, "JPEG", **options)
    return out.getvalue()


def plain(data, least):
    return jpeg.plain_image(data, jpeg.segments(data), least)


def is_whole(data):
    return jpeg.is_whole(data, jpeg.segments(data))


def by_pillow(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB")).transpose(2, 0, 1)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [*PLAIN, {"exif": TURNED}, {"keep_rgb": True}])
def test_pixels_are_those_of_pillow_whatever_the_headers(mode, options):
    if mode != "RGB" and "keep_rgb" in options:
        options = {}
    data = written(mode, **options)
    expected = by_pillow(data)
    found = decode(data, Form(size=expected.shape[1:], channels=3))
    np.testing.assert_array_equal(found.pixels, expected)
    assert (plain(data, (60, 80)) is not None) == (mode != "CMYK" and options in PLAIN)


def test_images_far_above_the_size_wanted_are_decoded_at_a_half():
    data = written()
    assert plain(data, (31, 40)) is not None
    assert plain(data, (30, 40)) is None
    sizes = []
    for least in ((31, 40), (30, 40)):
        with Image.open(io.BytesIO(data)) as image:
            image.draft(None, least)
            sizes.append(image.size)
    assert sizes == [(60, 80), (30, 40)]


def test_a_header_that_declares_an_absurd_size_takes_no_memory():
    data = bytearray(written())
    place = data.index(b"\xff\xc0")
    data[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    assert jpeg.frame(bytes(data)).size == (65535, 65535)
    assert plain(bytes(data), (1000, 1000)) is None


def test_a_file_without_its_pixels_is_left_to_pillow_to_name():
    data = written()
    cut = data[: data.index(b"\xff\xda") + 12] + b"\xff\xd9"
    assert plain(cut, (60, 80)) is None
    assert isinstance(decode(cut, Form(size=(80, 60), channels=3)), str)


def test_bytes_that_fill_up_before_a_segment_are_passed_over():
    preview = written(picture=PICTURE.resize((8, 8)))
    data = written(exif=b"Exif\0\0" + preview)
    place = data.index(preview) + len(preview)
    filled = data[:place] + data[place:].replace(b"\xff\xc0", b"\xff\xff\xff\xc0", 1)
    assert jpeg.frame(filled).size == (60, 80)
    # The preview in the headers has an end, which is not the file's.
    assert is_whole(filled) and not is_whole(filled[:-2])
