import errno
import json
import os
import pickletools
import stat
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from isotropy.errors import UserError
from isotropy.training import Diverged, Optim, checkpoint
from laws import cases


def trained(folder: Path, steps: int = 3, every: int = 1, **options) -> Path:
    """Train a small method for some steps with checkpoints in `folder`; return the last one."""
    for step in cases.train(cases.make("toy_contrast"), optim=Optim(lr=0.01), **options):
        if step.number % every == 0:
            path = step.save(folder, note="mine")
        if step.number == steps:
            return path
    raise AssertionError("the training was shorter")


def refuses(path: Path, *said: str, name: str = "toy_contrast", **options) -> None:
    with pytest.raises(UserError) as error:
        next(iter(cases.train(cases.make(name), optim=Optim(lr=0.01), resume=path, **options)))
    assert "\n" not in str(error.value)
    assert all(part in str(error.value) for part in (str(path), *said)), str(error.value)


def test_the_last_two_are_kept(tmp_path):
    trained(tmp_path, steps=4)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "step-000000003.safetensors",
        "step-000000004.safetensors",
    ]
    assert checkpoint.paths(tmp_path)[-1].name == "step-000000004.safetensors"


def test_a_damaged_later_one_takes_no_place(tmp_path):
    damaged = tmp_path / "step-000000020.safetensors"
    tmp_path.mkdir(exist_ok=True)
    damaged.write_bytes(b"cut")
    for step in cases.train(cases.make("toy_contrast")):
        step.save(tmp_path)
    assert [int(path.stem.split("-")[1]) for path in checkpoint.paths(tmp_path)] == [step.number - 1, step.number]
    assert not damaged.exists()


def test_another_optimiser_is_another_training(tmp_path):
    path = next(iter(cases.train(cases.make("toy_contrast"), optim=Optim(name="sgd", lr=0.1)))).save(tmp_path)
    with pytest.raises(UserError, match="belongs to another training: optim was"):
        next(iter(cases.train(cases.make("toy_contrast"), optim=Optim(name="sgd", lr=0.2), resume=path)))


def test_it_says_what_it_is_and_keeps_the_callers_words(tmp_path):
    about = checkpoint.about(trained(tmp_path))
    assert about["step"] == 3 and about["about"] == {"note": "mine"}
    assert about["identity"]["method"] == "Contrast" and about["identity"]["batch_size"] == cases.BATCH
    assert about["conditions"]["threads"] == torch.get_num_threads()


def test_it_holds_no_pickle(tmp_path):
    path = trained(tmp_path)
    data = path.read_bytes()
    assert not zipfile.is_zipfile(path)
    with pytest.raises(ValueError):
        list(pickletools.genops(data))
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
    assert 8 + size + max(ends) == len(data), "nothing but the header and the tensors it names"


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_a_truncated_file_is_named(tmp_path, length):
    path = trained(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    refuses(path, "damaged, or not a checkpoint")


@pytest.mark.parametrize("data", [b"PK\x03\x04" + bytes(200), b"\x80\x04." + bytes(200), b"hello" * 50])
def test_a_file_of_another_kind_is_named(tmp_path, data):
    path = tmp_path / "step-000000001.safetensors"
    path.write_bytes(data)
    refuses(path, "damaged, or not a checkpoint")


@pytest.mark.parametrize("metadata", [None, {"isotropy": "{"}, {"isotropy": "[]"}, {"isotropy": "{}"}, {"other": "1"}])
def test_safetensors_of_another_program_are_named(tmp_path, metadata):
    path = tmp_path / "step-000000001.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata)
    refuses(path)


@pytest.mark.parametrize("place", [0.02, 0.5, -1])
def test_a_bit_that_flipped_is_noticed_and_the_one_before_is_taken(tmp_path, place):
    last = trained(tmp_path)
    before, data = checkpoint.paths(tmp_path)[-2], bytearray(last.read_bytes())
    begin = 8 + int.from_bytes(data[:8], "little")
    data[-1 if place == -1 else begin + int(place * (len(data) - begin))] ^= 0x10
    last.write_bytes(data)
    refuses(last, "damaged: its checksum")
    with pytest.warns(UserWarning, match="its checksum is not that of what it holds; it is passed over"):
        assert checkpoint.last_good(tmp_path) == before


def test_what_it_says_of_itself_is_part_of_the_checksum(tmp_path):
    path = trained(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'\\"mine\\"', b'\\"mind\\"'))
    refuses(path, "damaged: its checksum")


def test_one_of_an_older_version_without_a_checksum_is_read(tmp_path):
    path = trained(tmp_path)
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        said = json.loads(file.metadata()["isotropy"])
    assert len(said.pop("crc32")) == 8
    save_file(tensors, path, {"isotropy": json.dumps(said)})
    assert checkpoint.last_good(tmp_path) == path and checkpoint.about(path)["about"]["note"] == "mine"


def test_a_missing_file_is_named(tmp_path):
    refuses(tmp_path / "step-000000001.safetensors", "no such checkpoint")


def test_another_training_is_named_by_what_differs(tmp_path):
    path = trained(tmp_path)
    refuses(path, "batch_size was 9 and is 10", batch_size=10)
    refuses(path, "seed was 0 and is 1", seed=1)
    refuses(path, "method was Contrast and is Spread", name="toy_spread")
    refuses(path, "rows was 39 and is 30", dataset=cases.Rows(cases.dataset().rows[:30]))
    refuses(path, "steps was", epochs=2)


def test_another_network_is_named_by_its_first_difference(tmp_path):
    path = trained(tmp_path)
    for width, entry in ((7, "head.1"), (6, None)):
        method = cases.make("toy_contrast", width=width)
        if entry is None:
            method.encoder.module.append(nn.Linear(8, 8).double())
            entry = "encoder.module.4.bias"
        before = cases.state(method)
        with pytest.raises(UserError, match=f"another network.*{entry}") as error:
            next(iter(cases.train(method, optim=Optim(lr=0.01), resume=path)))
        assert str(path) in str(error.value)
        assert all(torch.equal(before[k], v) for k, v in cases.state(method).items()), "nothing was loaded"


@pytest.mark.parametrize("where", ["fsync", "write", "replace"])
def test_a_full_disk_leaves_the_earlier_checkpoint_and_no_other_file(tmp_path, monkeypatch, where):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    steps = iter(cases.train(cases.make("toy_contrast"), optim=Optim(lr=0.01)))
    earlier = next(steps).save(tmp_path)
    data, step = earlier.read_bytes(), next(steps)
    with monkeypatch.context() as broken:
        if where == "write":
            broken.setattr(Path, "write_bytes", full)
        else:
            broken.setattr(os, where, full)
        with pytest.raises(UserError, match=r"step-000000002.*No space left on device.*earlier ones are untouched"):
            step.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [earlier.name]
    assert earlier.read_bytes() == data
    next(iter(cases.train(cases.make("toy_contrast"), optim=Optim(lr=0.01), resume=earlier)))
    assert step.save(tmp_path).name == "step-000000002.safetensors"


def test_a_first_checkpoint_that_cannot_be_written_says_that_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EROFS, "Read-only")))
    with pytest.raises(UserError, match="Read-only.*there is no earlier one"):
        trained(tmp_path / "new")


def test_weights_that_are_not_finite_are_not_written(tmp_path):
    method = cases.make("toy_contrast")
    steps = iter(cases.train(method, optim=Optim(lr=0.01)))
    path = next(steps).save(tmp_path)
    step = next(steps)
    with torch.no_grad():
        method.encoder.module[0].weight[0, 0] = float("inf")
    with pytest.raises(Diverged, match=r"encoder\.module\.0\.weight is not finite after step 2"):
        step.save(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_diverged_optimiser_state_is_not_written(tmp_path):
    method, optimizer = nn.Linear(2, 2), None
    optimizer = Optim(lr=0.01).build(method)
    method(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    optimizer.state[method.bias]["exp_avg"][0] = float("nan")
    with pytest.raises(Diverged, match="bias/exp_avg"):
        checkpoint.save(tmp_path, 1, method, optimizer, {})
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_ignored_and_then_removed(tmp_path):
    trained(tmp_path)
    left = tmp_path / ".step-000000004.safetensors.x1y2"
    left.write_bytes(b"half")
    assert left not in checkpoint.paths(tmp_path)
    last = checkpoint.paths(tmp_path)[-1]
    next(iter(cases.train(cases.make("toy_contrast"), optim=Optim(lr=0.01), resume=last))).save(tmp_path)
    assert not left.exists()


def test_a_step_is_saved_before_the_next_is_taken(tmp_path):
    steps = iter(cases.train(cases.make("toy_contrast")))
    first = next(steps)
    next(steps)
    with pytest.raises(AssertionError, match="before the next"):
        first.save(tmp_path)


def test_a_written_file_is_readable_by_others(tmp_path):
    assert stat.S_IMODE(trained(tmp_path).stat().st_mode) == 0o644


def test_other_conditions_are_named_in_a_warning(tmp_path, monkeypatch):
    path = trained(tmp_path)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    with pytest.warns(UserWarning, match=r"will not be bit-identical: threads \d+ -> 77$"):
        next(iter(cases.train(cases.make("toy_contrast"), optim=Optim(lr=0.01), resume=path)))


class Pictures(cases.Rows):
    """Rows as 3-channel pictures, for an encoder whose weights stand in channels-last order."""

    def to_input(self, rows):
        return rows.repeat(1, 36)[:, : 3 * 6 * 6].view(-1, 3, 6, 6)


@pytest.mark.parametrize("optimiser", ["adamw", "sgd", "lars"])
def test_channels_last_weights_resume_in_the_same_bits(tmp_path, optimiser):
    from isotropy.encoders import wrap
    from laws.toys import Contrast

    def begin(seed, resume=None):
        torch.manual_seed(seed)
        layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.AdaptiveAvgPool2d(1)
        method = Contrast(wrap(nn.Sequential(*layers, nn.Flatten()), width=4)).float()
        data = Pictures(cases.dataset(torch.float32).rows)
        optim = Optim(name=optimiser, lr=0.01, warmup=0)
        return method, cases.train(method, dataset=data, optim=optim, resume=resume)

    with torch.random.fork_rng(devices=[]):
        method, steps = begin(0)
        for step in steps:
            path = step.save(tmp_path / str(step.number))
        weight = method.encoder.module[3].weight
        assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
        end = path.read_bytes()
        for stop in (1, 3):
            _, steps = begin(1, checkpoint.paths(tmp_path / str(stop))[-1])
            for step in steps:
                path = step.save(tmp_path / "again")
            assert path.read_bytes() == end, f"stopped after step {stop}"


def test_loading_copies_into_the_tensors_that_stand_there(tmp_path):
    path = trained(tmp_path)
    method = cases.make("toy_contrast", seed=5)
    held = dict(method.named_parameters())
    optimizer = Optim(lr=0.01).build(method)
    checkpoint.load(path, method, optimizer)
    saved = load_file(path)
    for name, parameter in method.named_parameters():
        assert parameter is held[name]
        assert torch.equal(parameter, saved[f"method/{name}"])
        assert torch.equal(optimizer.state[parameter]["exp_avg_sq"], saved[f"optim/{name}/exp_avg_sq"])
