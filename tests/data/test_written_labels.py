"""Labels as people write numbers are numbers, and names with digits are names."""

import numpy as np
import pandas as pd
import pytest

from isotropy.data import read


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        (["$1,200", "$950", None, "$1,050.50"], [1200, 950, np.nan, 1050.5]),
        (["12,5", "7,25", "8,0"], [12.5, 7.25, 8]),
        (["12.5%", "7%"], [12.5, 7]),
        ([f"{n},000" for n in range(1, 40)], [1000 * n for n in range(1, 40)]),
    ],
)
def test_labels_that_are_written_as_amounts_are_numbers(written, numbers):
    data = read(pd.DataFrame({"x": range(len(written)), "y": written}), label="y")
    np.testing.assert_array_equal(data.labels, numbers)
    assert f"labels from y, numbers as {written[0]!r}" in data.description
    more = read(pd.DataFrame({"x": written, "k": written, "y": written}), label=["k", "y"])
    np.testing.assert_array_equal(more.more_labels["y"], numbers)


@pytest.mark.parametrize("texts", [["10 %", "50 %"], ["1", "2"], ["1,5", "a"], ["007", "7"], ["3 kg", "1.5 m"]])
def test_names_of_classes_with_digits_stay_names(texts):
    assert read(pd.DataFrame({"x": [1.0, 2.0], "y": texts}), label="y").labels.tolist() == texts


def test_blank_texts_are_no_class_whatever_file_holds_them(tmp_path):
    x, y = np.arange(12.0), np.array(["a", "b", "", "nan", " ", "a"] * 2)
    frame = pd.DataFrame({"x": x, "y": y})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.assign(y=frame["y"].astype("category")).to_parquet(tmp_path / "c.parquet")
    np.savez(tmp_path / "t.npz", X=x[:, None], y=y)
    found = [read(tmp_path / name, label="y") for name in ("t.csv", "t.parquet", "c.parquet")]
    found.append(read(tmp_path / "t.npz", key="X", label_key="y"))
    for data in found:
        assert data.labels.tolist() == ["a", "b", None, None, None, "a"] * 2


def test_a_blank_text_of_several_labels_says_that_a_row_has_none_of_them(tmp_path):
    y = np.array(["a;b", "", " ", "nan", "b"], dtype=object)
    frame = pd.DataFrame({"x": np.arange(5.0), "y": y})
    frame.to_parquet(tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", X=frame[["x"]].to_numpy(), y=y.astype(str))
    found = [read(frame, label="y", task="labels"), read(tmp_path / "t.parquet", label="y", task="labels")]
    found.append(read(tmp_path / "t.npz", key="X", label_key="y", task="labels"))
    for data in found:
        assert data.labels.tolist() == [("a", "b"), (), (), None, ("b",)]
