"""Classifier and regressor: scikit-learn's checks, labels that are missing in part, and what is kept."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import isotropy
from isotropy.errors import UserError
from isotropy.estimator import SelfSupervisedClassifier, SelfSupervisedEncoder, SelfSupervisedRegressor

SHORT = {"epochs": 1, "encoder_options": {"width": 16, "hidden": 16}, "finetune_options": {"epochs": 1, "folds": 2}}


def classifier(**settings: Any) -> SelfSupervisedClassifier:
    return SelfSupervisedClassifier(**{"random_state": 0, **SHORT} | settings)


@parametrize_with_checks(
    [
        SelfSupervisedClassifier(**SHORT),
        # Of the width that users get: one of 16 does not hold what the check's regressor has to learn.
        SelfSupervisedRegressor(epochs=1, finetune_options=SHORT["finetune_options"]),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def test_unlabelled_rows_are_nan_none_or_minus_one() -> None:
    x, y = load_iris(return_X_y=True)
    hidden = np.arange(150) % 3 > 0
    marked = [
        np.where(hidden, -1, y),
        np.where(hidden, np.nan, y),
        np.where(hidden, None, y),
        pd.Series(np.where(hidden, np.nan, y)),
    ]
    models = [classifier().fit(x, labels) for labels in marked]
    first = models[0]
    assert first.classes_.tolist() == [0, 1, 2] and first.model_.detail["labels"] == 50
    assert first.score(x, y) > 0.8
    for other in models[1:]:
        assert np.array_equal(other.predict_proba(x), first.predict_proba(x))
    names = np.array(["setosa", "versicolor", "virginica"], dtype=object)[y]
    names[hidden] = None
    named = classifier().fit(x, names)
    assert named.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert np.array_equal(named.predict(x), named.classes_[first.predict(x)])


_CLASSES = np.array(["setosa", "versicolor", "virginica"])
_HIDDEN = np.arange(150) % 3 > 0


@pytest.mark.parametrize(
    "named",
    [
        np.where(_HIDDEN, "nan", _CLASSES[np.arange(150) // 50]),  # numpy's text of NaN
        np.where(_HIDDEN, "-1", _CLASSES[np.arange(150) // 50]),
        [float("nan") if gone else name for gone, name in zip(_HIDDEN, _CLASSES[np.arange(150) // 50], strict=True)],
        pd.Series(np.where(_HIDDEN, None, _CLASSES[np.arange(150) // 50]), dtype="string"),
        np.ma.array(_CLASSES[np.arange(150) // 50], mask=_HIDDEN),
    ],
)
def test_unlabelled_rows_beside_names_are_no_class_in_any_container(named: Any) -> None:
    x, _ = load_iris(return_X_y=True)
    model = classifier().fit(x, named)
    assert model.classes_.tolist() == _CLASSES.tolist() and model.model_.detail["labels"] == 50


def test_text_classes_that_are_numbers_may_be_minus_one() -> None:
    x, y = load_iris(return_X_y=True)
    assert classifier().fit(x, (y - 1).astype(str)).classes_.tolist() == ["-1", "0", "1"]


def test_missing_booleans_leave_booleans() -> None:
    x, y = load_iris(return_X_y=True)
    labels = pd.Series(np.where(_HIDDEN, None, y > 0)).astype("boolean")
    assert classifier().fit(x, labels).classes_.tolist() == [False, True]


def test_scores_are_of_the_rows_with_a_label() -> None:
    x, y = load_iris(return_X_y=True)
    model = classifier().fit(x, y)
    expected = model.score(x[~_HIDDEN], y[~_HIDDEN])
    for labels in (np.where(_HIDDEN, -1, y), np.where(_HIDDEN, np.nan, y), np.where(_HIDDEN, None, y)):
        assert model.score(x, labels) == expected
    assert model.score(x, np.where(_HIDDEN, -1, y), sample_weight=np.ones(150)) == expected
    named = classifier().fit(x, _CLASSES[y])
    assert named.score(x, np.where(_HIDDEN, None, _CLASSES[y])) == expected
    numbers = SelfSupervisedRegressor(random_state=0, **SHORT).fit(x, x[:, 0])
    expected = numbers.score(x[~_HIDDEN], x[~_HIDDEN, 0])
    assert numbers.score(x, np.where(_HIDDEN, np.nan, x[:, 0])) == pytest.approx(expected)
    folds = cross_val_score(classifier(), x, np.where(_HIDDEN, -1, y), cv=2)
    assert (folds > 0.6).all()


def test_a_regressor_refuses_dates_and_sees_masks() -> None:
    x, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="y holds dates"):
        SelfSupervisedRegressor(**SHORT).fit(x, pd.Timestamp(2020, 1, 1) + pd.to_timedelta(y, "D"))
    days = pd.to_timedelta(y, "D")
    for times in (days, days.to_numpy(), pd.PeriodIndex.from_ordinals(y, freq="D")):
        with pytest.raises(UserError, match="y holds dates or durations"):
            SelfSupervisedRegressor(**SHORT).fit(x, times)
    model = SelfSupervisedRegressor(random_state=0, **SHORT).fit(x, np.ma.array(x[:, 0], mask=_HIDDEN))
    assert model.model_.detail["labels"] == 50


@pytest.mark.parametrize("written", ["{:,.2f} EUR", "{:,.2f}", "{:.0f} %"])
def test_a_regressor_reads_amounts_as_the_command_does(written: str) -> None:
    x, _ = load_iris(return_X_y=True)
    y = np.round(1000 * x[:, 0])
    text = [None if hidden else written.format(number) for hidden, number in zip(_HIDDEN, y, strict=True)]
    told = SelfSupervisedRegressor(random_state=0, **SHORT).fit(x, text)
    plain = SelfSupervisedRegressor(random_state=0, **SHORT).fit(x, np.where(_HIDDEN, np.nan, y))
    assert np.array_equal(told.predict(x), plain.predict(x))
    assert told.score(x, text) == plain.score(x, np.where(_HIDDEN, np.nan, y)) == told.model_.score(x, text)
    model = plain.representation_.finetune(x, text, task="numbers", epochs=1)
    assert model.task == "numbers" and model.detail["labels"] == 50


@pytest.mark.filterwarnings("ignore:The number of unique classes is greater")
def test_a_classifier_refuses_an_identifier_as_the_command_does() -> None:
    x, _ = load_iris(return_X_y=True)
    y = np.array([f"id {row // 2 if row < 40 else row}" for row in range(150)])
    with pytest.raises(
        ValueError, match="label y: 110 of its 150 rows are alone in their class, as with an identifier"
    ):
        classifier().fit(x, y)
    # Of few labels every one may be another class.
    few = np.where(np.arange(150) % 50 == 0, np.arange(150) // 50, -1)
    assert classifier().fit(x, few).classes_.tolist() == [0, 1, 2]


def test_minus_one_and_one_alone_are_classes() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    model = classifier().fit(x[:200], 2 * y[:200] - 1)
    assert model.classes_.tolist() == [-1, 1] and model.model_.detail["labels"] == 200


def test_a_regressor_takes_minus_one_for_a_number_and_nan_for_none() -> None:
    x, y = load_diabetes(return_X_y=True)
    y = np.where(np.arange(len(y)) % 2, y, np.nan)
    y[1] = -1
    model = SelfSupervisedRegressor(random_state=0, **SHORT).fit(x, y)
    assert model.model_.detail["labels"] == len(y) // 2
    assert model.predict(x[:3]).shape == (3,) and not hasattr(model, "predict_proba")


@pytest.mark.parametrize(
    ("y", "said"),
    [
        ([None] * 20, "y has no label"),
        ([1.0, np.nan] * 10, "only the class 1.0"),
        ([0.5, 0.25, 0.1, 0.7] * 5, "(?i)unknown label type"),
        (["a", 1] * 10, "mixes text with numbers"),
        ([np.inf, 1.0] * 10, "infinite"),
        ([0, 1] * 9, "inconsistent numbers of samples"),
        ([0, -1] * 10, "only the class 0"),
        ([-1] * 20, "y has no label"),
    ],
)
def test_labels_that_are_none_are_refused(y: list[Any], said: str) -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError, match=said):
        classifier().fit(x, np.array(y, dtype=object) if None in y or "a" in y else np.array(y))


def test_options_of_fine_tuning_are_reached_and_checked() -> None:
    model = clone(classifier()).set_params(finetune_options__lr=1e-4)
    assert model.get_params()["finetune_options__epochs"] == 1
    assert model.finetune_options == {"epochs": 1, "folds": 2, "lr": 1e-4}
    x, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="did you mean 'dropout'"):
        classifier(finetune_options={"droput": 0.1}).fit(x, y)
    with pytest.raises(ValueError, match="must be a dictionary"):
        classifier(finetune_options=[1]).fit(x, y)


def test_groups_and_joint_training() -> None:
    x, y = load_iris(return_X_y=True)
    options = {**SHORT["finetune_options"], "joint": 0.1}
    model = classifier(finetune_options=options).fit(x, y, groups=np.arange(150) // 5)
    assert model.predict(x).shape == (150,) and not hasattr(model, "_prepared")


def test_labels_and_options_that_cannot_be_are_refused_before_training(monkeypatch) -> None:
    monkeypatch.setattr("isotropy.estimator.encoder.train", lambda *args, **kwargs: pytest.fail("it trains"))
    x, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="only the class 1"):
        classifier().fit(x, np.ones(150))
    with pytest.raises(ValueError, match="is 2 in every training row"):
        SelfSupervisedRegressor(**SHORT).fit(x, np.full(150, 2.0))
    with pytest.raises(ValueError, match="several labels a row"):
        classifier().fit(x, [("a", "b"), ("a",)] * 75)
    with pytest.raises(ValueError, match="views has no setting 'masc'"):
        classifier(finetune_options={"views": {"masc": 0.1}}).fit(x, y)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (np.arange(10), "^there are 10 groups for 150 rows: give one group per row$"),
        (["s1"] * 150, "^group 'given' holds 's1' in every row: a split needs at least two groups$"),
        (np.zeros((150, 2)), "^group 'given' has shape .150, 2.: give one value per row$"),
    ],
)
def test_groups_that_divide_nothing_are_refused_before_training(groups: Any, said: str, monkeypatch) -> None:
    monkeypatch.setattr("isotropy.estimator.encoder.train", lambda *args, **kwargs: pytest.fail("it trains"))
    x, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match=said):
        classifier().fit(x, y, groups=groups)


def test_pickle_and_save_keep_every_bit(tmp_path: Path) -> None:
    x, y = load_iris(return_X_y=True)
    model = classifier().fit(x, y)
    expected = model.predict_proba(x)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict_proba(x), expected)
    model.save(tmp_path)
    assert np.array_equal(isotropy.load_finetuned(tmp_path).predict_proba(x), expected)
    assert np.array_equal(isotropy.load_finetuned(tmp_path).transform(x), model.transform(x))


def test_channels_last_is_kept_by_the_model_and_its_files(tmp_path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 24, 2))
    y = (x[:, :, 0].mean(axis=1) > 0).astype(int)
    model = SelfSupervisedClassifier(channels="last", epochs=1, finetune_options={"epochs": 1}, random_state=0).fit(
        x, y
    )
    model.save(tmp_path / "m")
    again = isotropy.load_finetuned(tmp_path / "m")
    assert np.array_equal(again.predict(x), model.predict(x))
    # Rows that `read` has arranged are not turned again.
    assert np.array_equal(again.transform(x), again.transform(isotropy.read(x, channels="last")))
    assert np.array_equal(again.transform(x), again.transform(x.transpose(0, 2, 1)))
    begun = SelfSupervisedEncoder(epochs=1, random_state=0, init=tmp_path / "m", freeze=1)
    assert len(begun.fit_transform(x.transpose(0, 2, 1))) == 40
    assert begun.recipe_.init == {"weights": str(tmp_path / "m"), "freeze": 1}


def test_options_of_the_command_line_are_checked_by_the_estimator() -> None:
    frame = pd.DataFrame({"zip": [10115, 20095] * 10, "a": np.arange(20)})
    made = SelfSupervisedEncoder(epochs=1, random_state=0, kinds={"zip": "categorical"}).fit(frame)
    kinds = {column.name: column.kind for column in made.representation_.preprocess.schema.columns}
    assert kinds == {"zip": "categorical", "a": "numeric"}
    for given, words in (
        ({"kinds": {"zp": "categorical"}}, "no column 'zp'.*did you mean 'zip'"),
        ({"channels": "end"}, "channels = 'end' is unknown"),
        ({"channels": "last", "modality": "table"}, "is of series, and the modality is table"),
        ({"freeze": 99}, "the last has to be trained"),
        ({"init": "nowhere.pt"}, "no such file"),
    ):
        with pytest.raises(ValueError, match=words):
            SelfSupervisedEncoder(epochs=1, **given).fit(
                frame.rename(columns={"zip": "b"} if "kinds" not in given else {})
            )
    with pytest.raises(ValueError, match="kinds names columns by name: give a frame"):
        SelfSupervisedEncoder(epochs=1, kinds={"a": "numeric"}).fit(frame.to_numpy())


def test_a_frame_of_series_of_one_length_is_series_to_a_model_of_series() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"s": [random.normal(size=12 + number % 5).tolist() for number in range(40)]})
    model = SelfSupervisedClassifier(epochs=1, finetune_options={"epochs": 1, "folds": 2}, random_state=0)
    model.fit(frame, np.arange(40) % 2)
    assert np.array_equal(model.predict_proba(frame.iloc[[3]]), model.predict_proba(frame)[[3]])


def test_columns_of_one_name_are_told_apart() -> None:
    x, y = load_iris(return_X_y=True)
    frame = pd.DataFrame(x, columns=["a", "b", "c", "a"])
    with pytest.warns(UserWarning, match="2 columns are called 'a'"):
        model = classifier().fit(frame, y)
        assert model.score(frame, y) > 0.8
        assert np.array_equal(model.predict_proba(frame), classifier().fit(x, y).predict_proba(x))
