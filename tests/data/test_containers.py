"""The same series, images and arrays in every container: equal values and equal embeddings."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.io import savemat

from isotropy import SelfSupervisedEncoder
from isotropy.data import read

SHAPES = {"series": (24, 2, 40), "image": (24, 3, 16, 16), "array": (24, 2, 4, 4, 4)}
OPTIONS = {"series": {}, "image": {}, "array": {"method": "autoencoder", "modality": "array"}}


def containers(values, folder):
    """Yield each container of the same values, by name."""
    yield "memory by columns", np.asfortranarray(values)
    yield "a view", np.repeat(values, 2, axis=0)[::2]
    yield "other bytes", values.astype(values.dtype.newbyteorder(">"))
    yield "tensor", torch.from_numpy(values)
    yield "list of arrays", list(values)
    np.save(folder / "x.npy", values)
    yield "npy", folder / "x.npy"
    yield "mapped", np.load(folder / "x.npy", mmap_mode="r")
    np.savez(folder / "x.npz", x=values)
    yield "npz", folder / "x.npz"
    np.savez_compressed(folder / "z.npz", x=values)
    yield "packed npz", folder / "z.npz"
    savemat(folder / "x.mat", {"x": values})
    yield "mat", folder / "x.mat"
    pq.write_table(pa.table({"x": values.tolist()}), folder / "x.parquet")
    yield "parquet of lists", folder / "x.parquet"
    try:
        import h5py
    except ImportError:
        return
    with h5py.File(folder / "x.h5", "w") as file:
        file["x"] = values
    yield "hdf5", folder / "x.h5"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("modality", SHAPES)
def test_equal_values_in_another_container_give_equal_embeddings(modality, tmp_path):
    draw = np.random.default_rng(0)
    if modality == "image":
        values = draw.integers(0, 256, SHAPES[modality], dtype=np.uint8)
    else:
        values = draw.normal(size=SHAPES[modality]).astype(np.float32)
    model = SelfSupervisedEncoder(**OPTIONS[modality], epochs=1, batch_size=8, random_state=0).fit(values)
    expected = model.transform(values)
    for name, given in containers(values, tmp_path):
        key = {"key": "x"} if name == "parquet of lists" else {}
        data = read(given, modality=modality, **key)
        np.testing.assert_array_equal(data.values, values, err_msg=name)
        np.testing.assert_array_equal(model.representation_.transform(data), expected, err_msg=name)
        if not isinstance(given, list) or modality == "series":
            direct = given if not key else data
            np.testing.assert_array_equal(model.representation_.transform(direct), expected, err_msg=name)
