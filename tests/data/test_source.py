import numpy as np
import pytest
import torch
from PIL import Image

from isotropy.data import ArraySource, ImagePreprocess, SeriesPreprocess, TablePreprocess, read

INDEX = torch.tensor([3, 0, 3, 9])


def examples():
    draw = np.random.default_rng(0)
    yield TablePreprocess, draw.normal(size=(10, 4))
    yield SeriesPreprocess, draw.normal(size=(10, 2, 6))
    yield ImagePreprocess, draw.integers(0, 255, (10, 3, 5, 5), dtype=np.uint8)


@pytest.mark.parametrize(("kind", "values"), list(examples()))
def test_batches_are_rows_as_stored(kind, values):
    preprocess = kind.learn(values)
    rows = preprocess.store(values)
    source = ArraySource(rows, preprocess)
    assert len(source) == 10 and source.modality == preprocess.modality
    batch = source.batch(INDEX)
    assert torch.equal(batch, rows[INDEX]) and batch.dtype == rows.dtype and batch.is_contiguous()
    before = rows.clone()
    batch.zero_()
    assert torch.equal(rows, before), "a batch is a copy"
    prepared = source.prepare(source.batch(INDEX))
    assert prepared.dtype == torch.float32 and torch.equal(prepared, preprocess.prepare(rows[INDEX]))


@pytest.mark.parametrize(("kind", "values"), list(examples()))
def test_a_part_is_counted_from_its_own_start(kind, values):
    preprocess = kind.learn(values)
    rows = preprocess.store(values)
    part = ArraySource(rows, preprocess, index=torch.tensor([8, 2, 5]))
    assert len(part) == 3
    assert torch.equal(part.batch(torch.tensor([2, 0])), rows[[5, 8]])
    with pytest.raises(IndexError):
        part.batch(torch.tensor([3]))


def test_a_device_is_reached_whole_or_batch_by_batch():
    values = np.random.default_rng(0).normal(size=(10, 4))
    table = TablePreprocess.learn(values)
    source = ArraySource(table.store(values), table, device="meta", index=torch.arange(4))
    assert len(source) == 4 and source.batch(torch.tensor([1, 2])).device.type == "meta"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_on_a_gpu_equal_those_on_a_cpu(monkeypatch):
    for kind, values in examples():
        preprocess = kind.learn(values)
        rows = preprocess.store(values)
        for fits in (True, False):
            monkeypatch.setattr("isotropy.data.source.fits", lambda *given, fits=fits: fits)
            for part in (None, torch.tensor([8, 2, 5, 1])):
                there = ArraySource(rows, preprocess, device="cuda", index=part)
                here = ArraySource(rows, preprocess, index=part)
                batch = there.batch(torch.tensor([3, 0]))
                assert batch.is_cuda and torch.equal(batch.cpu(), here.batch(torch.tensor([3, 0])))
                torch.testing.assert_close(there.prepare(batch).cpu(), here.prepare(batch.cpu()))


def test_a_folder_stays_in_its_file(tmp_path):
    (tmp_path / "f").mkdir()
    for place in range(6):
        Image.new("L", (32, 32), 40 * place).save(tmp_path / "f" / f"{place}.png")
    data = read(tmp_path / "f", store=tmp_path / "store")
    images = ImagePreprocess.learn(data.values)
    rows = images.store(data.values)
    assert isinstance(data.values, np.memmap) and rows.data_ptr() == data.values.ctypes.data
    source = ArraySource(rows, images, index=torch.tensor([5, 1]))
    assert source.batch(torch.tensor([0, 1]))[:, 0, 0, 0].tolist() == [200, 40]
