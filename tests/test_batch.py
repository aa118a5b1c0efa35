"""A batch may carry a mask: unequal series with missing values, from the data set to the loss.

The data, the views, the encoder and the method are toys; everything between them is the library's.
"""

import pytest
import torch
from torch import nn

from isotropy import rng
from isotropy.batch import PART_BYTES, Batch, batched
from isotropy.data import ArrayDataset, Preprocess, SeriesPreprocess
from isotropy.encoders import ENCODERS, DilatedResNet, Encoder, SeriesCNN, build, wrap
from isotropy.errors import UserError
from isotropy.evaluation.evidence import in_pieces
from isotropy.methods import DACL, LFR, TSTCC, Autoencoder, Masked, SimCLR, TS2Vec
from isotropy.methods.method import Method
from isotropy.objectives import reconstruction
from isotropy.representation import Representation
from isotropy.representation.embedding import embed_rows, steady_chunk
from isotropy.runs.fingerprint import fingerprint
from isotropy.training import fit
from isotropy.views import MultiView, Plain, SeriesViews

LONGEST = 20
# What stands under a mask, and must not matter.
PADDING, MISSING = 1e6, float("nan")


def series() -> list[torch.Tensor]:
    """Thirty series of 3 to 11 values, of which some are NaN (never the first)."""
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(3 + number % 9, generator=generator, dtype=torch.float64) for number in range(30)]
    for row in drawn[::2]:
        row[2] = MISSING
    return drawn


def padded(rows: list[torch.Tensor], length: int, padding: float = PADDING) -> Batch:
    values = torch.full((len(rows), 1, length), padding, dtype=torch.float64)
    for place, row in enumerate(rows):
        values[place, 0, : len(row)] = row
    there = torch.arange(length) < torch.tensor([len(row) for row in rows])[:, None, None]
    return Batch(values, there & ~values.isnan())


class Stored(Preprocess):
    modality = "series"


class MaskedMean(Encoder):
    """The mean over the values that are there of what a small network makes of each."""

    modality = "series"
    takes_masks = True

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, width))

    def forward(self, x: torch.Tensor | Batch) -> torch.Tensor:
        if isinstance(x, torch.Tensor):
            return self.layers(x.transpose(1, 2)).mean(1)
        there = x.mask.transpose(1, 2)
        features = self.layers(x.values.transpose(1, 2).masked_fill(~there, 0.0)) * there
        return features.sum(1) / there.sum(1).clamp_min(1)


class Jitter:
    """Two views with noise on every value, which passes the mask on."""

    count = 2

    def __call__(self, dataset, index, *, seed, pass_):
        def view(number):
            x = dataset.to_input(dataset.batch(index))
            noise = rng.normals(rng.halves(rng.keys(seed, pass_, number, index), x.shape[2])).to(x.values)
            return Batch(x.values + 0.3 * noise[:, None], x.mask)

        return MultiView(index, lambda: [view(number) for number in range(self.count)])


class Reconstruction(Method):
    """An autoencoder that is asked for the values that are there, and for no other."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = nn.Linear(encoder.width, LONGEST)

    def forward(self, views):
        inputs = views.inputs
        return {
            "prediction": [self.decoder(h)[:, None, : x.shape[2]] for h, x in zip(views.through(self.encoder), inputs)],
            "target": [x.values.masked_fill(~x.mask, 0.0) for x in inputs],
            "there": [x.mask for x in inputs],
        }

    def loss(self, prediction, target, there):
        errors = [reconstruction(p, x, hidden=cells) for p, x, cells in zip(prediction, target, there)]
        return {"error": torch.stack(errors).mean()}


def losses(kind, length: int, *, epochs: int = 3, **options) -> list[float]:
    torch.manual_seed(0)
    method = (SimCLR(MaskedMean(), projector=(16, 4)) if kind is SimCLR else kind(MaskedMean())).double()
    dataset = ArrayDataset(padded(series(), length), Stored())
    return [step.loss for step in fit(method, dataset, Jitter(), epochs=epochs, batch_size=10, **options)]


def refused(action) -> str:
    with pytest.raises(UserError) as error:
        action()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_padded_series_has_the_embedding_of_the_values_that_it_has():
    encoder = MaskedMean().double()
    rows = series()
    embedded = torch.from_numpy(embed_rows(encoder, lambda x: x, padded(rows, LONGEST), 8))
    for row, z in zip(rows, embedded, strict=True):
        alone = embed_rows(encoder, lambda x: x, row[~row.isnan()].view(1, 1, -1))
        torch.testing.assert_close(z, torch.from_numpy(alone[0]), rtol=0, atol=1e-6)
    assert embedded.std(0).min() > 1e-3


def test_a_representation_and_the_probes_take_rows_with_a_mask():
    made = Representation(MaskedMean(), Stored(), method="simclr", chunk=8)
    rows = padded(series(), LONGEST).to(torch.float32)
    whole = made.embed_stored(rows)
    places = torch.tensor([4, 29, 4]).numpy()
    assert (in_pieces(made.embed_stored, rows, places) == whole[places]).all()
    assert steady_chunk(made.encoder, lambda x: x, rows[:16]) in (1, 16)


@pytest.mark.parametrize("kind", [SimCLR, Reconstruction])
def test_the_amount_of_padding_changes_no_loss(kind):
    less, more = losses(kind, 11, epochs=30), losses(kind, LONGEST, epochs=30)
    assert less == pytest.approx(more, rel=0, abs=1e-10)
    assert sum(less[-9:]) < sum(less[:9])


@pytest.mark.parametrize("chunk", [1, 4])
def test_micro_batches_equal_the_whole_batch(chunk):
    whole = losses(Reconstruction, LONGEST)
    assert losses(Reconstruction, LONGEST, micro_batch=chunk) == pytest.approx(whole, rel=0, abs=1e-11)


def test_views_of_one_shape_share_one_run_with_or_without_a_mask():
    runs = []

    def module(x):
        runs.append(x)
        return x.values.flatten(1)

    first, second = padded(series()[:4], 11), torch.randn(4, 1, 11, dtype=torch.float64)
    z = MultiView(torch.arange(4), lambda: [first, second]).through(module)
    assert len(runs) == 1 and runs[0].mask[4:].all() and torch.equal(runs[0].mask[:4], first.mask)
    assert torch.equal(z[1], second.flatten(1))


def test_a_batch_without_a_mask_is_its_tensor():
    values = torch.randn(40, 2, 16).numpy()
    preprocess = SeriesPreprocess.learn(values)
    stored = preprocess.transform(values)
    ends = []
    for rows in (stored, Batch(stored)):
        torch.manual_seed(0)
        method = SimCLR(SeriesCNN(channels=2, length=16), projector=(16, 4))
        dataset = ArrayDataset(rows, preprocess)
        steps = [step.loss for step in fit(method, dataset, SeriesViews(), epochs=2, batch_size=16)]
        ends.append((steps, embed_rows(method.encoder, lambda x: x, rows).tolist(), fingerprint(rows)))
        assert torch.equal(Plain()(dataset, torch.arange(2), seed=0, pass_=0).tensors[0], stored[:2])
    assert ends[0] == ends[1]


def decoder(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, LONGEST), nn.Unflatten(1, (1, LONGEST)))


def projector(width: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(LONGEST, width))


OPTIONS = {
    Autoencoder: {"make_decoder": decoder},
    Masked: {"make_decoder": decoder, "patch_size": 2},
    DACL: {"projector": (16, 4)},
    LFR: {"make_projector": projector, "num_projectors": 2, "num_candidates": 3, "target_width": 5},
}


@pytest.mark.parametrize("kind", OPTIONS, ids=lambda kind: kind.__name__)
def test_a_method_that_reads_values_reads_no_padding(kind):
    def steps(padding: float) -> list[float]:
        torch.manual_seed(0)
        method = kind(MaskedMean(), **OPTIONS[kind]).double()
        dataset = ArrayDataset(padded(series(), LONGEST, padding), Stored())
        return [step.loss for step in fit(method, dataset, Plain(), epochs=2, batch_size=10)]

    found = steps(PADDING)
    assert found == steps(-3.0) and max(found) < 100


def test_the_error_of_a_reconstruction_is_of_what_is_there():
    rows = padded([torch.tensor([1.0, 3.0]), torch.tensor([2.0])], 4)
    method = Autoencoder(MaskedMean(), make_decoder=lambda width: nn.Unflatten(1, (1, width)))
    zeros = torch.zeros(2, 1, 4, dtype=torch.float64)
    there = method.loss([zeros], [rows.values.masked_fill(~rows.mask, 0.0)], [rows.mask])["error"]
    assert there.item() == ((1 + 9) / 2 + 4) / 2


def test_masked_reconstruction_hides_a_part_of_what_is_there():
    method = Masked(MaskedMean(), make_decoder=decoder, patch_size=2, mask_ratio=0.5)
    rows = padded([torch.ones(length) for length in (20, 9, 2)], LONGEST)
    hidden = method(MultiView(torch.arange(3), lambda: [rows.to(torch.float32)]))["hidden"][0]
    assert not (hidden & ~rows.mask).any()
    # Of 10, 5 and 1 patches; the last one of nine steps has one step.
    assert hidden[0].sum() == 10 and hidden[1].sum() in (5, 6) and hidden[2].sum() == 0


@pytest.mark.parametrize(("kind", "name"), [(TS2Vec, "TS2Vec"), (TSTCC, "TS-TCC")])
def test_a_method_that_cuts_time_refuses_a_mask(kind, name):
    dataset = ArrayDataset(padded(series(), LONGEST).to(torch.float32), Stored())
    views = Jitter() if kind is TSTCC else Plain()
    method = kind(DilatedResNet(channels=1, depth=2))
    said = refused(lambda: list(fit(method, dataset, views, epochs=1, batch_size=10)))
    assert said.startswith(f"{name} cannot read a mask") and "simclr" in said


def test_an_encoder_of_one_length_says_what_to_take_instead():
    rows = padded(series()[:2], LONGEST).to(torch.float32)
    takers = {name for name, kind in ENCODERS.items() if kind.takes_masks}
    for name in {name for name, kind in ENCODERS.items() if kind.modality == "series"} - takers:
        encoder = build(name, "series", {"channels": 1, "length": LONGEST})
        said = refused(lambda encoder=encoder: encoder(rows))
        assert type(encoder).__name__ in said and all(taker in said for taker in takers)


def test_a_wrapped_network_may_read_a_mask():
    rows = padded(series(), LONGEST).to(torch.float32)
    wrapped = wrap(MaskedMean(), example=rows[:2])
    assert wrapped.width == 8


def test_data_with_another_mask_are_other_data():
    rows = padded(series(), LONGEST)
    assert fingerprint(rows) != fingerprint(Batch(rows.values, rows.mask.flip(2))) != fingerprint(rows.values)


def test_a_mask_has_the_shape_of_the_values_and_is_of_booleans():
    assert "give booleans of the values' shape (2, 3)" in refused(lambda: Batch(torch.ones(2, 3), torch.ones(2, 3)))
    refused(lambda: Batch(torch.ones(2, 3), torch.ones(2, dtype=torch.bool)))


def test_a_batch_moves_its_mask_but_not_the_masks_type():
    rows = padded(series(), LONGEST).to(torch.float32)
    assert rows.values.dtype == torch.float32 and rows.mask.dtype == torch.bool
    assert isinstance(Batch.cat([rows.values, Batch(rows.values)]), torch.Tensor)


@pytest.mark.parametrize(("count", "step"), [(0, 3), (1, 3), (6, 3), (7, 3), (5, 1)])
def test_parts_cover_all_rows_in_order(count, step):
    for parts in (list(batched(count, rows=step)), list(batched(count, row_bytes=PART_BYTES // step))):
        assert [row for part in parts for row in range(count)[part]] == list(range(count))
        assert all(part.stop - part.start <= step for part in parts) and len(parts) == -(-count // step)


def test_a_part_has_one_row_at_least_and_rows_may_take_no_memory():
    assert len(list(batched(2, row_bytes=2 * PART_BYTES))) == 2
    assert list(batched(2, row_bytes=0)) == [slice(0, 2)]
