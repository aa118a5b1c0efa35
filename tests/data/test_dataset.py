import numpy as np
import pytest
import torch
from PIL import Image

from isotropy.data import ArrayDataset, ImagePreprocess, SeriesPreprocess, TablePreprocess, read

INDEX = torch.tensor([3, 0, 3, 9])


def examples():
    draw = np.random.default_rng(0)
    yield TablePreprocess, draw.normal(size=(10, 4))
    yield SeriesPreprocess, draw.normal(size=(10, 2, 6))
    yield ImagePreprocess, draw.integers(0, 255, (10, 3, 5, 5), dtype=np.uint8)


@pytest.mark.parametrize(("kind", "values"), list(examples()))
def test_batches_are_rows_as_stored(kind, values):
    preprocess = kind.learn(values)
    rows = preprocess.transform(values)
    dataset = ArrayDataset(rows, preprocess)
    assert len(dataset) == 10 and dataset.modality == preprocess.modality
    batch = dataset.batch(INDEX)
    assert torch.equal(batch, rows[INDEX]) and batch.dtype == rows.dtype and batch.is_contiguous()
    before = rows.clone()
    batch.zero_()
    assert torch.equal(rows, before), "a batch is a copy"
    prepared = dataset.to_input(dataset.batch(INDEX))
    assert prepared.dtype == torch.float32 and torch.equal(prepared, preprocess.to_input(rows[INDEX]))


@pytest.mark.parametrize(("kind", "values"), list(examples()))
def test_a_part_is_counted_from_its_own_start(kind, values):
    preprocess = kind.learn(values)
    rows = preprocess.transform(values)
    part = ArrayDataset(rows, preprocess, index=torch.tensor([8, 2, 5]))
    assert len(part) == 3
    assert torch.equal(part.batch(torch.tensor([2, 0])), rows[[5, 8]])
    with pytest.raises(IndexError):
        part.batch(torch.tensor([3]))


def test_a_device_is_reached_whole_or_batch_by_batch():
    values = np.random.default_rng(0).normal(size=(10, 4))
    table = TablePreprocess.learn(values)
    dataset = ArrayDataset(table.transform(values), table, device="meta", index=torch.arange(4))
    assert len(dataset) == 4 and dataset.batch(torch.tensor([1, 2])).device.type == "meta"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_on_a_gpu_equal_those_on_a_cpu(monkeypatch):
    for kind, values in examples():
        preprocess = kind.learn(values)
        rows = preprocess.transform(values)
        for fits in (True, False):
            monkeypatch.setattr("isotropy.data.dataset.fits", lambda *given, fits=fits: fits)
            for part in (None, torch.tensor([8, 2, 5, 1])):
                there = ArrayDataset(rows, preprocess, device="cuda", index=part)
                here = ArrayDataset(rows, preprocess, index=part)
                batch = there.batch(torch.tensor([3, 0]))
                assert batch.is_cuda and torch.equal(batch.cpu(), here.batch(torch.tensor([3, 0])))
                torch.testing.assert_close(there.to_input(batch).cpu(), here.to_input(batch.cpu()))


def test_a_folder_stays_in_its_file(tmp_path):
    (tmp_path / "f").mkdir()
    for place in range(6):
        Image.new("L", (32, 32), 40 * place).save(tmp_path / "f" / f"{place}.png")
    data = read(tmp_path / "f", store=tmp_path / "store")
    images = ImagePreprocess.learn(data.values)
    rows = images.transform(data.values)
    assert isinstance(data.values, np.memmap) and rows.data_ptr() == data.values.ctypes.data
    dataset = ArrayDataset(rows, images, index=torch.tensor([5, 1]))
    assert dataset.batch(torch.tensor([0, 1]))[:, 0, 0, 0].tolist() == [200, 40]
