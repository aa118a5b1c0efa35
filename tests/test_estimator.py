"""The estimator: what scikit-learn expects of a transformer, on tables, series, images and a user's network."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import isotropy
from isotropy.encoders import DilatedResNet
from isotropy.estimator import SelfSupervisedEncoder
from isotropy.methods import METHODS

# A short training of a small LFR; no check of scikit-learn is exempt.
QUICK = {"num_candidates": 6, "target_width": 16}
# Methods whose defaults ask for more rows than the tests have.
FEW_ROWS = {"w_mse": {"projector_width": 4, "sub_batch_size": 8}}


def quick(**settings: Any) -> SelfSupervisedEncoder:
    return SelfSupervisedEncoder(**{"epochs": 1, "random_state": 0, "encoder_options": {"width": 16}} | settings)


@parametrize_with_checks([SelfSupervisedEncoder(epochs=1)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn(estimator: SelfSupervisedEncoder, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    made = pd.DataFrame(random.normal(size=(80, 2)), columns=["age", "income"])
    made["job"] = pd.Categorical(random.choice(["cook", "smith", "clerk"], 80))
    made["city"] = random.choice(["Ulm", "Bonn"], 80)
    made["member"] = random.random(80) > 0.5
    made.loc[::9, "income"] = np.nan
    made.loc[::8, "city"] = None
    return made


@pytest.mark.parametrize("method", [name for name, kind in METHODS.items() if kind.takes("table")])
def test_every_method_fits_frames_with_categories_and_missing_values(method: str, frame: pd.DataFrame) -> None:
    encoder = quick(method=method, method_options=FEW_ROWS.get(method))
    embeddings = encoder.fit_transform(frame)
    assert embeddings.shape == (80, encoder.representation_.width) and embeddings.dtype == np.float32
    assert encoder.representation_.encoder.width == 16
    assert np.isfinite(embeddings).all()
    assert encoder.recipe_.method == method and encoder.recipe_.modality == "table"
    assert list(encoder.feature_names_in_) == list(frame.columns)
    one = frame.iloc[[3]].assign(job="never seen", age=np.nan)
    assert np.isfinite(encoder.transform(one)).all()


@pytest.mark.parametrize(
    ("shape", "kind", "modality"),
    [((40, 2, 30), float, "series"), ((20, 16, 16), np.uint8, "image"), ((20, 3, 16, 16), np.uint8, "image")],
)
def test_shape_and_type_say_the_modality(shape: tuple[int, ...], kind: type, modality: str) -> None:
    random = np.random.default_rng(0)
    x = random.integers(0, 256, shape).astype(kind)
    options = {"encoder_options": None} if modality == "series" else {}
    encoder = quick(method="lfr", **options, method_options=QUICK).fit(x)
    assert encoder.recipe_.modality == encoder.representation_.modality == modality
    order = random.permutation(len(x))
    assert np.array_equal(encoder.transform(x)[order], encoder.transform(torch.from_numpy(x[order])))


def test_the_modality_can_be_named() -> None:
    x = np.random.default_rng(0).normal(size=(30, 40))
    options: dict[str, Any] = {"encoder_options": {"width": 8, "depth": 2}, "embedding": "learned"}
    encoder = quick(modality="series", encoder="dilated_resnet", **options).fit(x)
    assert encoder.transform(pd.DataFrame(x)).shape == (30, 8)
    with pytest.raises(ValueError, match=r"did you mean 'series'"):
        quick(modality="serie").fit(x)


@pytest.mark.parametrize("method", ["lfr", "simclr"])
def test_labels_change_nothing(method: str) -> None:
    x, y = load_iris(return_X_y=True)
    assert np.array_equal(quick(method=method).fit(x, y).transform(x), quick(method=method).fit(x).transform(x))
    assert np.array_equal(quick(method=method).fit(x, y[::-1]).transform(x), quick(method=method).fit_transform(x, y))


def test_the_seed_decides() -> None:
    x, _ = load_iris(return_X_y=True)
    first = quick().fit(x).transform(x)
    assert np.array_equal(quick(random_state=np.int64(0)).fit(x).transform(x), first)
    assert not np.array_equal(quick(random_state=1).fit(x).transform(x), first)
    state = np.random.RandomState(7)
    assert not np.array_equal(
        quick(random_state=state).fit(x).transform(x), quick(random_state=state).fit(x).transform(x)
    )


def test_pipeline_learns(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    encoder = SelfSupervisedEncoder("lfr", epochs=5, random_state=0)
    model = make_pipeline(encoder, StandardScaler(), LogisticRegression(max_iter=5000)).fit(x[::2], y[::2])
    assert model.score(x[1::2], y[1::2]) > 0.9
    fitted = model[0]
    losses = [entry["loss"] for entry in fitted.history_]
    assert len(losses) == 10 and losses[-1] < losses[0]
    assert fitted.history_[-1]["epoch"] == 5
    assert fitted.history_[-1]["loss"] == pytest.approx(fitted.history_[-1]["bbt"])
    assert capsys.readouterr() == ("", "")


def test_grid_search_reaches_single_options() -> None:
    x, y = load_iris(return_X_y=True)
    model = make_pipeline(
        quick(method="simclr", method_options={"projector": [8, 4]}), LogisticRegression(max_iter=5000)
    )
    grid = {
        "selfsupervisedencoder__method_options__temperature": np.array([0.1, 0.5]),
        "selfsupervisedencoder__optim_options": [{"lr": 1e-3}],
    }
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(x, y)
    recipe = search.best_estimator_[0].recipe_
    assert recipe.method_options["temperature"] == search.best_params_[next(iter(grid))]
    assert recipe.method_options["projector"] == [8, 4]
    assert recipe.optim.lr == 1e-3
    with pytest.raises(ValueError, match=r"did you mean 'temperature'"):
        GridSearchCV(model, {"selfsupervisedencoder__method_options__temperatur": [1]}, error_score="raise").fit(x, y)


def test_nested_parameters_are_copies() -> None:
    options = {"temperature": 0.5}
    encoder = SelfSupervisedEncoder("simclr", method_options=options)
    assert encoder.get_params()["method_options__temperature"] == 0.5
    assert "method_options__temperature" not in encoder.get_params(deep=False)
    encoder.set_params(method_options__temperature=0.1, view_options__corrupt=0.3)
    assert options == {"temperature": 0.5}
    assert encoder.view_options == {"corrupt": 0.3}
    assert clone(encoder).get_params() == encoder.get_params()


def test_options_reach_the_recipe() -> None:
    x, _ = load_iris(return_X_y=True)
    encoder = quick(
        method="vicreg",
        encoder="table_resnet",
        encoder_options={"width": 12},
        view_options={"corrupt": 0.3},
        optim_options={"name": "sgd", "lr": 0.01},
        batch_size=32,
        precision="float32",
    ).fit(x)
    recipe = encoder.recipe_
    assert (recipe.encoder, recipe.views, recipe.optim.name) == ("table_resnet", {"corrupt": 0.3}, "sgd")
    assert (recipe.train.batch_size, recipe.train.precision) == (32, "float32")
    assert encoder.representation_.encoder.width == 12 and encoder.transform(x).shape == (150, 12 + x.shape[1])


@pytest.mark.parametrize(("rows", "epochs"), [(100, 200.0), (51200, 25.0), (100_000_000, 1.0)])
def test_the_default_length_follows_the_data(rows: int, epochs: float) -> None:
    assert SelfSupervisedEncoder("lfr", random_state=0)._recipe("table", rows).train.epochs == epochs


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "lfrr"}, r"did you mean 'lfr'"),
        ({"encoder": "table_mpl"}, r"did you mean 'table_mlp'"),
        ({"encoder_options": {"widht": 3}}, r"did you mean 'width'"),
        ({"method": "lfr", "method_options": {"num_projector": 3}}, r"did you mean 'num_projectors'"),
        ({"method_options": [1]}, r"must be a dictionary"),
        ({"encoder": nn.Linear(4, 2), "encoder_options": {"width": 3}}, r"network of your own"),
        ({"epochs": 0}, r"epochs = 0"),
        ({"batch_size": 1}, r"batch_size = 1"),
        ({"precision": "float16"}, r"precision"),
        ({"epochs": "many"}, r"epochs = 'many' must be a number"),
        ({"encoder": 3}, r"encoder = 3 must be a name"),
        ({"device": "gpu"}, r"^device gpu: unknown \(valid: cpu, cuda, cuda:N\)$"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], said: str) -> None:
    x, _ = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match=said) as caught:
        quick(**settings).fit(x)
    assert "\n" not in str(caught.value)


def test_other_columns_are_refused(frame: pd.DataFrame) -> None:
    encoder = quick().fit(frame)
    with pytest.raises(ValueError, match="(?i)feature names unseen at fit time"):
        encoder.transform(frame.rename(columns={"age": "years"}))
    with pytest.raises(ValueError, match="is expecting 5 features"), pytest.warns(UserWarning, match="feature names"):
        encoder.transform(frame.to_numpy()[:, :4])
    with pytest.raises(ValueError, match=r"'age', row 3.*'old'"):
        encoder.transform(frame.astype({"age": object}).replace({"age": {frame["age"][3]: "old"}}))


def test_not_fitted() -> None:
    with pytest.raises(NotFittedError):
        SelfSupervisedEncoder().transform(np.zeros((3, 2)))
    with pytest.raises(NotFittedError):
        SelfSupervisedEncoder().get_feature_names_out()
    with pytest.raises(NotFittedError):
        SelfSupervisedEncoder().save("nowhere")


def test_set_output_names_the_columns(frame: pd.DataFrame) -> None:
    encoder = quick().set_output(transform="pandas").fit(frame)
    embeddings = encoder.transform(frame.iloc[5:9])
    assert isinstance(embeddings, pd.DataFrame)
    assert list(embeddings.index) == [5, 6, 7, 8]
    assert list(embeddings.columns) == list(encoder.get_feature_names_out())
    assert embeddings.columns[0] == "selfsupervisedencoder0"


def test_pickle_and_save_keep_every_bit(frame: pd.DataFrame, tmp_path: Path) -> None:
    encoder = quick(method="byol").fit(frame)
    expected = encoder.transform(frame)
    assert np.array_equal(pickle.loads(pickle.dumps(encoder)).transform(frame), expected)
    encoder.save(tmp_path)
    assert np.array_equal(isotropy.load(tmp_path).transform(frame.iloc[::-1])[::-1], expected)


def test_a_fitted_encoder_holds_no_training_rows() -> None:
    x = np.random.default_rng(0).normal(size=(20_000, 30))
    encoder = quick(method="simclr", batch_size=2048, epochs=0.1).fit(x)
    assert len(pickle.dumps(encoder)) < x.nbytes / 2


class Own(nn.Module):
    """Somebody's network: a recurrent one with dropout, in a class of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(5, 9, batch_first=True)
        self.drop = nn.Dropout(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.cell(x.mT)[0][:, -1])


def test_a_network_of_ones_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Own()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    x = np.random.default_rng(0).normal(size=(30, 5, 20))
    encoder = SelfSupervisedEncoder("simclr", encoder=network, epochs=2, random_state=0)
    embeddings = clone(encoder).fit(x).transform(x)
    assert embeddings.shape == (30, 9)
    fitted = encoder.fit(x)
    assert np.array_equal(fitted.transform(x), embeddings)
    # The user's network is left alone, and what was trained is not it.
    assert network.training and all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    assert not torch.equal(fitted.representation_.encoder.module.cell.weight_hh_l0, network.cell.weight_hh_l0)
    fitted.save(tmp_path)
    assert np.array_equal(isotropy.load(tmp_path, Own()).transform(x), embeddings)


@pytest.mark.parametrize("encoder", ["dilated_resnet", DilatedResNet(channels=2, width=8, hidden=8, depth=2)])
def test_an_encoder_for_any_length_embeds_longer_series_than_it_was_trained_on(encoder: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 2, 30))
    longer = np.random.default_rng(1).normal(size=(9, 2, 50))
    options = {"width": 8, "hidden": 8, "depth": 2} if isinstance(encoder, str) else None
    fitted = quick(encoder=encoder, encoder_options=options, embedding="joined").fit(x)
    embeddings = fitted.transform(longer)
    assert embeddings.shape == (9, fitted.representation_.width) and fitted.representation_.encoder.width == 8
    assert len(np.unique(embeddings.round(6), axis=0)) == 9
    fitted.save(tmp_path)
    assert np.array_equal(isotropy.load(tmp_path).transform(longer), embeddings)


def test_an_encoder_for_one_length_names_one_for_any() -> None:
    fitted = quick(encoder="series_cnn", encoder_options=None).fit(np.random.default_rng(0).normal(size=(30, 2, 30)))
    with pytest.raises(ValueError, match=r"50 time steps; the training had 30: .*--encoder dilated_resnet"):
        fitted.transform(np.zeros((2, 2, 50)))


def test_joined_and_standardised_embeddings(frame: pd.DataFrame) -> None:
    given: dict[str, Any] = {"epochs": 1, "random_state": 0, "encoder_options": {"width": 16}}
    plain = SelfSupervisedEncoder(embedding="learned", **given).fit(frame)
    joined = SelfSupervisedEncoder(embedding="joined", standardise=True, **given).fit(frame)
    assert plain.recipe_.embedding == "learned" and joined.recipe_.embedding == "joined"
    z = joined.transform(frame)
    assert z.shape[1] == len(joined.get_feature_names_out()) > plain.transform(frame).shape[1] == 16
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-3)
    with pytest.raises(ValueError, match="embedding = 'join' is unknown"):
        SelfSupervisedEncoder(embedding="join", **given).fit(frame)
