"""Linear probe on frozen features: how much of a label a straight line through the representation can read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isotropy.evaluation.evaluators.choice import FOLDS, Choice, choice
from isotropy.evaluation.features import Features, Form
from isotropy.evaluation.logistic import fit_logistic
from isotropy.evaluation.metrics import score_of
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.score import Measurement

C_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
ALPHA_GRID = tuple(10.0**power for power in range(-2, 6))
CHOICE_STEPS, FINAL_STEPS = 40, 200
TOLERANCE = 1e-3


def linear(candidate: Any, problem: Problem) -> Iterator[Measurement]:
    """Measure a linear model on all training rows, in the form and with the strength that suit them best.

    Classes: multinomial logistic regression. Form and C (1e-4, 1e-3, ..., 100) are chosen by the leading metric in
    3-fold cross-validation on at most 3,000 stratified training rows (the first form and the smaller C where two tie);
    the final fit takes all training rows, also the further ones, at most 200 steps of L-BFGS, to a gradient of 1e-3.
    Numbers: ridge regression, form and strength by leave-one-out on at most 3,000 training rows. Several labels a row:
    a logistic regression for each, with one form and strength for all. `detail` holds the choice; a final fit that
    stops early is scored as it is and said.
    """
    if not isinstance(candidate, Features):
        return
    if problem.task == "labels":
        predicted, validation, detail = _each_label(candidate, problem)
    else:
        model = fit_linear(candidate, problem)
        predicted, validation, detail = model.predict(model.form.test), model.validation, model.detail
    notes = () if detail["converged"] else (f"stopped after {detail['steps']} steps, before it converged",)
    labels = len(problem.train_y)
    if candidate.further is not None and problem.further_y is not None:
        labels += len(problem.further_y)
    yield from problem.measured(predicted, labels=labels, validation=validation, detail=detail, notes=notes)


@dataclass(frozen=True)
class LinearModel:
    """A linear model of a label on features in one form.

    Attributes:
        form: the features in the form that was chosen.
        weights, intercepts: (d, K) and (K,) float32 of classes; (d,) and () float64 of numbers.
        validation: the leading metric on held-out training rows, None where there were too few.
        detail: what was chosen and how, for JSON.
    """

    form: Form
    weights: NDArray[Any]
    intercepts: NDArray[Any]
    validation: float | None
    detail: dict[str, Any]

    def predict(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return the probabilities (M, K) or the numbers (M,) of rows (M, d) in the form."""
        if self.weights.ndim == 1:
            return np.asarray(x.astype(np.float64) @ self.weights + self.intercepts)
        logits = torch.from_numpy(x) @ torch.from_numpy(self.weights) + torch.from_numpy(self.intercepts)
        return torch.softmax(logits, dim=1).numpy()


def fit_linear(features: Features, problem: Problem, like: LinearModel | None = None) -> LinearModel:
    """Return the model that `linear` measures: on all training rows, in the form and with the strength that suit best.

    Args:
        features, problem: what is learnt. like: a model of the same label whose form and strength are taken over.

    Example:
        >>> x = np.array([[0.0], [0.1], [1.0], [1.1]] * 5)
        >>> model = fit_linear(Features(x, x), Problem.of(x[:, 0] > 0.5, x[:, 0] > 0.5))
        >>> model.predict(model.form.test).argmax(1)[:4].tolist()
        [0, 0, 1, 1]
    """
    return _ridge(features, problem, like) if problem.task == "numbers" else _logistic(features, problem, like)


def _form_of(features: Features, like: LinearModel) -> Form:
    return next((form for form in features.forms() if form.name == like.form.name), features.as_is)


def _logistic(features: Features, problem: Problem, like: LinearModel | None) -> LinearModel:
    form, strength, validation = features.as_is, 1.0, None
    chosen_by = "default: too few rows for cross-validation"
    if like is not None:
        form, strength, chosen_by = _form_of(features, like), like.detail["C"], like.detail["chosen_by"]
    elif (by := choice(problem)) is not None:
        found = [(*_cross_validated(form, by, problem), form) for form in features.forms()]
        validation, strength, form = max(found, key=lambda one: one[0])
        chosen_by = by.chosen_by
    axes = form.axes.to(problem.device)
    x, codes = _all_rows(form, problem)
    fitted = fit_logistic(
        torch.from_numpy(x)[None].to(problem.device) @ axes, torch.from_numpy(codes)[None].to(problem.device),
        len(problem.classes), torch.tensor([strength]), steps=FINAL_STEPS, tolerance=TOLERANCE,
    )  # fmt: skip
    weights, intercepts = (axes @ fitted.weights[0, 0]).cpu(), fitted.intercepts[0, 0].cpu()
    detail = {"form": form.name, "C": strength, "chosen_by": chosen_by, "steps": fitted.steps}
    detail["converged"] = bool(fitted.converged.all())
    return LinearModel(form, weights.numpy(), intercepts.numpy(), validation, detail)


def _all_rows(form: Form, problem: Problem) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return the training rows and the further ones, and what their labels are."""
    if form.further is None or problem.further_y is None:
        return form.train, problem.train_y
    known = problem.further_y >= 0 if problem.task == "classes" else np.ones(len(form.further), dtype=bool)
    further = form.further[known], problem.further_y[known]
    return np.concatenate([form.train, further[0]]), np.concatenate([problem.train_y, further[1]])


def _cross_validated(form: Form, by: Choice, problem: Problem) -> tuple[float, float]:
    """Return the best leading metric on held-out training rows, and the C that reaches it."""
    rows, folds = by.rows, by.folds
    assert folds is not None
    codes, classes = problem.train_y[rows], len(problem.classes)
    learnt = np.repeat(folds[:, None] != np.arange(FOLDS), len(C_GRID), axis=1)
    x = torch.from_numpy(form.turned[rows])[None]
    fitted = fit_logistic(
        x.to(problem.device), torch.from_numpy(codes)[None].to(problem.device), classes,
        torch.tensor(C_GRID).repeat(FOLDS), rows=torch.from_numpy(learnt)[None], steps=CHOICE_STEPS, tolerance=3e-3,
    )  # fmt: skip
    scores = np.empty((FOLDS, len(C_GRID)))
    for number in range(FOLDS):
        out = folds == number
        for place in range(len(C_GRID)):
            job = number * len(C_GRID) + place
            logits = x[0, torch.from_numpy(out)] @ fitted.weights[0, job].cpu() + fitted.intercepts[0, job].cpu()
            scores[number, place] = score_of(
                "classes", problem.leading, codes[out], torch.softmax(logits, dim=1).numpy()
            )
    mean = np.nan_to_num(scores, nan=-np.inf).mean(axis=0)
    return float(mean.max()), C_GRID[int(mean.argmax())]


def _each_label(features: Features, problem: Problem) -> tuple[NDArray[Any], float | None, dict[str, Any]]:
    """Return the probability of each label (M, L): of a row with several labels each is a problem by itself."""
    labels, by = range(problem.train_y.shape[1]), choice(problem)
    assert by is not None and by.folds is not None
    rows, folds = by.rows, by.folds
    learnt = torch.from_numpy(np.repeat(folds[:, None] != np.arange(FOLDS), len(C_GRID), axis=1))[None]
    found = []
    for form in features.forms():
        x = torch.from_numpy(form.turned[rows])[None].to(problem.device)
        held_out = np.empty((len(C_GRID), len(rows), len(labels)))
        for label in labels:
            codes = torch.from_numpy(problem.train_y[rows, label])[None].to(problem.device)
            fitted = fit_logistic(
                x, codes, 2, torch.tensor(C_GRID).repeat(FOLDS), rows=learnt, steps=CHOICE_STEPS, tolerance=3e-3
            )
            chance = torch.softmax(x @ fitted.weights[0] + fitted.intercepts[0, :, None], dim=-1)[..., 1].cpu().numpy()
            held_out[:, :, label] = chance.reshape(FOLDS, len(C_GRID), -1)[folds, :, np.arange(len(rows))].T
        scores = [score_of("labels", problem.leading, problem.train_y[rows], one) for one in held_out]
        found.append((max(scores), C_GRID[int(np.argmax(scores))], form))
    validation, strength, form = max(found, key=lambda one: one[0])
    axes = form.axes.to(problem.device)
    every, there = _all_rows(form, problem)
    x, test = torch.from_numpy(every)[None].to(problem.device) @ axes, torch.from_numpy(form.test)
    predicted, steps, converged = np.empty((len(test), len(labels))), 0, True
    for label in labels:
        codes = torch.from_numpy(there[:, label].copy())[None].to(problem.device)
        fitted = fit_logistic(x, codes, 2, torch.tensor([strength]), steps=FINAL_STEPS, tolerance=TOLERANCE)
        weights, intercepts = (axes @ fitted.weights[0, 0]).cpu(), fitted.intercepts[0, 0].cpu()
        predicted[:, label] = torch.softmax(test @ weights + intercepts, dim=1)[:, 1].numpy()
        steps, converged = max(steps, fitted.steps), converged and bool(fitted.converged.all())
    detail = {"form": form.name, "C": strength, "chosen_by": by.chosen_by, "steps": steps, "converged": converged}
    return predicted, validation, detail


def _ridge(features: Features, problem: Problem, like: LinearModel | None) -> LinearModel:
    from sklearn.linear_model import Ridge, RidgeCV
    from sklearn.model_selection import PredefinedSplit

    y, by = problem.train_y, choice(problem)
    form, strength, validation = features.as_is, 1.0, None
    chosen_by = "default: too few rows for leave-one-out"
    if like is not None:
        form, strength, chosen_by = _form_of(features, like), like.detail["alpha"], like.detail["chosen_by"]
    elif by is not None and features.train[(rows := by.rows)].any():
        found = []
        divided: dict[str, Any] = {}
        if by.folds is not None:
            divided = {"cv": PredefinedSplit(by.folds), "scoring": "neg_mean_squared_error"}
        for one in features.forms():
            search = RidgeCV(alphas=ALPHA_GRID, **divided).fit(one.train[rows].astype(np.float64), y[rows])
            spread = float(np.var(y[rows])) or 1.0
            found.append((1 + float(search.best_score_) / spread, float(search.alpha_), one))
        validation, strength, form = max(found, key=lambda one: one[0])
        chosen_by = by.chosen_by
    every, numbers = _all_rows(form, problem)
    model = Ridge(alpha=strength).fit(every.astype(np.float64), numbers)
    detail = {"form": form.name, "alpha": strength, "chosen_by": chosen_by, "converged": True}
    return LinearModel(form, model.coef_, np.asarray(model.intercept_), validation, detail)
