"""Joined embeddings: equal blocks, the same bits for a row anywhere, and files that need no data."""

import copy
import json
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from isotropy.batch import Batch
from isotropy.errors import UserError
from isotropy.evaluation.evidence import evidence
from isotropy.features import FEATURES
from isotropy.modalities import MODALITIES
from isotropy.representation import EMBEDDINGS, Representation, learn_embedding, load
from isotropy.representation.block import Block
from isotropy.representation.embedding import embed_rows
from representation.examples import lively, made

OF = {"table": "table_mlp", "series": "dilated_resnet", "image": "small_resnet"}


@pytest.fixture(scope="module", params=list(OF))
def joined(request):
    plain, values = made(OF[request.param])
    rows = plain.preprocess.transform(values)
    train = np.arange(100)
    found = learn_embedding("joined", plain.encoder, plain.preprocess, rows, train)
    return Representation(plain.encoder, plain.preprocess, method="lfr", embedding=found), values, plain


def rows_of(values, places):
    return values.iloc[places] if hasattr(values, "iloc") else values[places]


@pytest.mark.parametrize("threads", [1, 2])
def test_many_rows_are_encoded_and_described_side_by_side_to_the_same_bits(joined, threads, monkeypatch):
    representation, values, _ = joined
    rows = representation.stored(rows_of(values, np.arange(len(values)).repeat(3)))
    whole = representation.embed_stored(rows)
    monkeypatch.setattr("isotropy.representation.joined._FREE_ROWS", 1)  # a piece is a chunk
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert len(rows) > representation.chunk and np.array_equal(representation.embed_stored(rows), whole)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_the_encoder_is_in_eval_mode_until_the_last_piece_is_done(joined, monkeypatch):
    """A piece that ends while another is read must not put the mode back."""
    representation, values, _ = joined
    rows, modes = representation.stored(rows_of(values, np.arange(len(values)).repeat(3))), []

    def in_turn(act, jobs):
        for job in jobs:
            act(job)
            modes.append(representation.encoder.training)

    monkeypatch.setattr("isotropy.representation.joined._FREE_ROWS", 1)
    monkeypatch.setattr("isotropy.representation.joined.side_by_side", in_turn)
    representation.encoder.train()
    try:
        representation.embed_stored(rows)
        # Patches of images are not made in pieces.
        assert (len(modes) > 2) == (representation.modality != "image")
        assert not any(modes) and representation.encoder.training
    finally:
        representation.encoder.eval()


def test_a_row_has_the_same_embedding_in_any_subset_and_order(joined):
    representation, values, _ = joined
    whole = representation.transform(values)
    assert whole.shape == (150, representation.width) and whole.dtype == np.float32 and np.isfinite(whole).all()
    order = np.random.default_rng(0).permutation(150)[:71]
    assert np.array_equal(representation.transform(rows_of(values, order)), whole[order])
    assert np.array_equal(representation.transform(rows_of(values, [8])), whole[[8]])
    assert np.array_equal(np.concatenate(list(representation.iterate(values))), whole)


def test_what_embeds_can_be_pickled_as_estimators_are(joined):
    representation, values, plain = joined
    rows = plain.preprocess.transform(values)
    again = pickle.loads(pickle.dumps(representation.embedding.network(representation.encoder, plain.preprocess)))
    assert np.array_equal(embed_rows(*again, rows, representation.chunk), representation.transform(values))


def test_threads_change_no_bit_of_the_free_part(joined):
    representation, values, plain = joined
    rows, free = plain.preprocess.transform(values), representation.embedding.blocks[0].width
    threads = torch.get_num_threads()
    try:
        found = []
        for count in (1, 3):
            torch.set_num_threads(count)
            found.append(representation.embed_stored(rows)[:, free:])
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(*found)


def test_the_artefact_loads_without_the_data(joined, tmp_path):
    representation, values, _ = joined
    representation.save(tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    assert about["embedding"]["name"] == "joined" and about["embedding"]["width"] == representation.width
    again = load(tmp_path)
    assert np.array_equal(again.transform(values), representation.transform(values))
    assert np.array_equal(again.transform(values, standardise=True), representation.transform(values, standardise=True))
    again.save(tmp_path / "again")
    for path in tmp_path.glob("*.*"):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_the_total_variance_of_a_block_on_the_training_rows_is_its_weight_squared(joined):
    representation, values, _ = joined
    z = representation.transform(rows_of(values, np.arange(100)))
    ends = np.cumsum([block.width for block in representation.embedding.blocks])
    weights = [1, *(features.weight for features in representation.embedding.features.values())]
    for start, end, weight in zip([0, *ends], ends, weights, strict=False):
        # Twice the total variance is the mean squared distance of two rows.
        np.testing.assert_allclose(z[:, start:end].var(axis=0).sum(), weight**2, rtol=1e-3)


def test_the_parts_are_the_blocks_in_their_order(joined):
    representation, values, plain = joined
    parts, blocks = representation.embedding.parts, representation.embedding.blocks
    assert list(parts) == ["encoder", *representation.embedding.features] and not plain.embedding.parts
    assert [part.stop - part.start for part in parts.values()] == [block.width for block in blocks]
    own = blocks[0](torch.from_numpy(plain.transform(values))).numpy()
    np.testing.assert_allclose(representation.transform(values)[:, parts["encoder"]], own, atol=1e-5)


def test_a_block_is_the_columns_standardised_along_their_principal_axes():
    x = torch.randn(400, 300, generator=torch.Generator().manual_seed(0)) @ torch.randn(300, 300)
    z = (x - x.mean(0)) / x.std(0, correction=0)
    _, values, axes = torch.linalg.svd(z.double(), full_matrices=False)
    expected = (z.double() @ axes[:256].T) / (values[:256].square().sum() / 400).sqrt()
    found = Block.learn(x)(x)
    torch.testing.assert_close(found.abs().double(), expected.abs(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_standardised_columns_have_the_moments_of_the_training_rows(name):
    plain, values = made("table_mlp")
    rows = plain.preprocess.transform(values)
    found = learn_embedding(name, plain.encoder, plain.preprocess, rows, np.arange(60))
    representation = Representation(plain.encoder, plain.preprocess, method="lfr", embedding=found)
    z = representation.transform(values, standardise=True)[:60].astype(np.float64)
    varies = z.std(axis=0) > 0
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(z.std(axis=0)[varies], 1, rtol=1e-3)


def test_learned_is_the_encoder_to_the_bit():
    plain, values = made("table_mlp")
    rows = plain.preprocess.transform(values)
    found = learn_embedding("learned", plain.encoder, plain.preprocess, rows)
    representation = Representation(plain.encoder, plain.preprocess, method="lfr", embedding=found)
    assert np.array_equal(representation.transform(values), plain.transform(values))
    with pytest.raises(UserError, match=r"^standardise: .*train it again"):
        plain.transform(values, standardise=True)


def test_series_of_another_length_and_with_gaps_are_embedded():
    plain, values = made("dilated_resnet")
    plain.preprocess.any_length = True
    rows = plain.preprocess.transform(values)
    found = learn_embedding("joined", plain.encoder, plain.preprocess, rows)
    representation = Representation(plain.encoder, plain.preprocess, method="lfr", embedding=found)
    for length in (5, 41, 90):
        assert np.isfinite(representation.transform(np.random.default_rng(0).normal(size=(4, 3, length)))).all()
    gaps = torch.from_numpy(np.random.default_rng(0).random(rows.shape) > 0.3)
    for features in found.features.values():
        wild = torch.where(gaps, rows, torch.tensor(1e9))
        assert torch.equal(features(Batch(rows, gaps)), features(Batch(wild, gaps))), "what is masked changes nothing"
        assert torch.equal(features(Batch(rows, torch.ones_like(gaps))), features(rows))


@pytest.mark.parametrize("modality", OF)
def test_free_features_are_a_function_of_the_seed_and_of_what_they_read(modality):
    plain, values = made(OF[modality])
    given = MODALITIES[modality].free_input(plain.preprocess, plain.preprocess.transform(values))
    for name in MODALITIES[modality].free:
        first, again = (FEATURES[name].learn(given, seed=1) for _ in range(2))
        assert torch.equal(first(given), again(given))
        assert torch.equal(FEATURES[name](first.state_dict())(given), first(given))


def test_what_does_not_fit_is_one_line(tmp_path):
    plain, values = made("table_mlp")
    rows = plain.preprocess.transform(values)
    with pytest.raises(UserError, match=r"^embedding = 'joint' is unknown.*joined"):
        learn_embedding("joint", plain.encoder, plain.preprocess, rows)
    found = learn_embedding("joined", plain.encoder, plain.preprocess, rows)
    Representation(plain.encoder, plain.preprocess, method="lfr", embedding=found).save(tmp_path)
    path = tmp_path / "embedding.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="embedding.safetensors: truncated"):
        load(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match="embedding.safetensors: cannot be read"):
        load(tmp_path)


def redrawn(module):
    if isinstance(module, nn.Linear | nn.Conv2d):
        module.reset_parameters()


def test_another_encoder_is_joined_with_the_same_free_features(joined):
    representation, values, plain = joined
    rows, train = plain.preprocess.transform(values), np.arange(100)
    again = representation.with_encoder(plain.encoder, rows, train)
    np.testing.assert_allclose(again.transform(values), representation.transform(values), atol=1e-5)
    torch.manual_seed(9)
    other = again.with_encoder(lively(copy.deepcopy(plain.encoder).apply(redrawn)), rows, train)
    own = representation.embedding.blocks[0].width
    before, after = representation.transform(values), other.transform(values)
    assert np.array_equal(after[:, -before.shape[1] + own :], before[:, own:]), "the free part"
    assert np.array_equal(other.embedding.with_vectors(before, other.of_encoder().transform(values)), after)
    assert not np.allclose(after[:, :5], before[:, :5])
    assert other.title == representation.title


def test_an_encoder_that_did_not_learn_is_no_better_than_the_untrained_one(joined):
    representation, values, plain = joined
    labels = np.arange(150) % 2
    found = evidence(
        representation, plain.encoder, plain.preprocess.transform(values), labels, np.arange(100),
        np.arange(100, 150), label="half", evaluators=["linear"],
    )  # fmt: skip
    (line,) = [one for one in found["ranking"] if one["representation"] == "untrained encoder"]
    assert line["difference"]["value"] == 0 and line["difference"]["low"] < 0 < line["difference"]["high"]
