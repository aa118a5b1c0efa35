"""What a comparison measures: everything free once, every run when it is trained, and in the end the rows."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from isotropy.data import Data
from isotropy.data.readers import find_reader
from isotropy.evaluation import leaks
from isotropy.evaluation.baselines import UNTRAINED
from isotropy.evaluation.evaluate import PROPAGATION, chosen_rows, facts_of, propagation_of
from isotropy.evaluation.evaluators import DEFAULT
from isotropy.evaluation.evidence import both_parts, codes_evidence, free, in_pieces, with_parts_of
from isotropy.evaluation.features import Features
from isotropy.evaluation.intervals import resampled_means
from isotropy.evaluation.leaderboard import scored_rows
from isotropy.evaluation.measured import Measured, concluded, measure
from isotropy.evaluation.neighbours import overlap
from isotropy.evaluation.notes import left_out, notes_on
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.resampling import Resampled
from isotropy.evaluation.splits import split
from isotropy.evaluation.task import Task, decided
from isotropy.io.atomic import write_atomically
from isotropy.representation import Representation
from isotropy.runs.comparison_folder import EVIDENCE, ComparisonFolder
from isotropy.runs.diagnose import diagnose
from isotropy.runs.directory import Run
from isotropy.runs.division import Division, divide
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe
from isotropy.runs.recommendation import recommend

_TIMED_ROWS = 1000
STABILITY_ROWS = 2000


def divided(data: Data, seed: int, label: str) -> Division:
    """Return the parts of all runs: as named, else a fifth with labels, else at most 2,000 rows for stability.

    `label` is what the label is called, for refusals and notes.
    """
    if data.labels is None and data.split is None:
        return Division(*split(len(data), test=min(0.2, STABILITY_ROWS / len(data)), seed=seed))
    return divide(data, seed, [label])


def with_split(data: Data, division: Division) -> Data:
    """Return the data with its split, by which every run divides it, and with the task that all labels have."""
    named = np.full(len(data), "train", dtype="<U5")
    named[division.test] = "test"
    labels, probed = data.labels, np.concatenate([division.train, division.test])
    if labels is not None and len(probed) < len(data):
        # Rows that overlap test rows train the encoder, and no probe.
        labels = labels.astype(object)
        labels[np.setdiff1d(np.arange(len(data)), probed)] = None
    return replace(data, split=named, labels=labels, task=next((one.task for one in division.labels), data.task))


def contestants(methods: Sequence[str], seeds: Sequence[int]) -> dict[str, tuple[str, int]]:
    """Return the runs by name: every method once before any is trained again.

    Example:
        >>> list(contestants(["lfr", "scarf"], range(2)))
        ['lfr-0', 'scarf-0', 'lfr-1', 'scarf-1']
    """
    return {f"{one.rpartition(':')[2]}-{seed}": (one, seed) for seed in seeds for one in methods}


class Contest:
    """What is measured of one comparison, and what it costs.

    Args:
        folder: what is measured already, and where the rest is kept.
        prepared: for the first method; its data is divided. division: how it was.
        recipes: by method. origin: what runs keep of the label and the division: keywords of `isotropy.read`.
        clock: by which the budget is counted. begun: its reading when the budget began.
    """

    def __init__(
        self, folder: ComparisonFolder, prepared: Prepared, division: Division, recipes: Mapping[str, Recipe],
        origin: dict[str, str], clock: Callable[[], float], begun: float,
    ) -> None:  # fmt: skip
        self.folder, self.recipes, self.origin, self.clock, self._mark = folder, recipes, origin, clock, begun
        self.label = label = origin.get("label", "")
        self.prepared, self.data = prepared, prepared.data
        self.train, self.test, self._division, self._said = prepared.train, prepared.test, division, list[str]()
        if label:
            labels = np.asarray(self.data.labels)
            learnt, scored = labels[self.train], labels[self.test]
            task = decided(labels, cast(Task | None, self.data.task), label)
            chosen = chosen_rows(learnt, scored, task=task)
            self.train, self.test = self.train[chosen[0]], self.test[chosen[1]]
            groups = None if division.groups is None else division.groups[self.train]
            self.problem = Problem.of(
                labels[self.train], labels[self.test], task=task, groups=groups, device=str(prepared.device)
            )
            said = [*notes_on(learnt, scored, self.problem, chosen, label), *left_out(self.problem, DEFAULT)]
            self._said = [note for note in said if note not in division.notes]
        elif len(self.test) > STABILITY_ROWS:
            self.test = self.test[np.linspace(0, len(self.test) - 1, STABILITY_ROWS).astype(np.int64)]

    @property
    def split_notes(self) -> list[str]:
        """What a reader of the scores has to know of how the rows were divided, and of copies across the split."""
        return [*self._division.notes, *self.folder.notes]

    @property
    def notes(self) -> list[str]:
        """What a reader of the scores has to know, one line each."""
        return [*self.split_notes, *self._said]

    def spend(self) -> None:
        """Count what has passed since the last call against the budget, and keep what is known."""
        now = self.clock()
        self.folder.spent += now - self._mark
        self._mark = now
        self.folder.keep()

    def evidence_cost(self) -> float:
        """Return about what it costs to measure and export one trained run: as much as with the untrained encoder."""
        rows = len(self.data) + len(self.test) + (len(self.train) if self.label else 0)
        costs = self.folder.costs
        return costs.get("evidence", 0.0) + costs["embedding"] * rows / 1000

    def measure_free(self) -> Iterator[str]:
        """Measure everything that needs no training, unless it is; yield its names before."""
        costs = self.folder.costs
        if {"free", "embedding"} <= costs.keys():
            self.spend()
            return
        initial = self.prepared.representation()
        costs["embedding"] = self._per_thousand(initial, self.prepared)
        if self.label:
            found = free(initial, self.prepared.rows, self.train, self.test, self._parts())
            parts, probed = (self._division.train, self._division.test), (self.train, self.test)
            self.folder.notes = leaks.duplicates(self.prepared.rows, parts, probed, found["raw features"])
            candidates = self._features(found, {UNTRAINED: initial.embedding.parts})
            forms: dict[str, tuple[float, str]] = {}
            for name, candidate in candidates.items():
                yield name
                if (form := self._measured(name, candidate).searched_form) is not None:
                    forms[name] = form
            yield PROPAGATION
            self._measured(PROPAGATION, propagation_of(candidates, forms, self.problem))
            for name, prepared in self._other_encoders().items():
                yield name
                other = prepared.representation()
                own = both_parts(other.embed_stored, prepared.rows, self.train, self.test)
                self._measured(name, Features(*own, parts=other.embedding.parts))
        costs["free"] = self.folder.spent + self.clock() - self._mark
        self.spend()

    def _parts(self) -> tuple[str, ...]:
        return with_parts_of(self.prepared.recipe.embedding, self.data.modality)

    def _features(self, candidates: Mapping[str, Any], parts: Mapping[str, Mapping[str, slice]]) -> dict[str, Any]:
        return {
            name: Features(*one, parts=parts.get(name)) if isinstance(one, tuple) else one
            for name, one in candidates.items()
        }

    def _other_encoders(self) -> dict[str, Prepared]:
        """Return what is needed of the untrained encoders of methods that use another one than the first method."""

        def of(recipe: Recipe) -> tuple[str, str]:
            return recipe.encoder, repr(sorted(recipe.encoder_options.items()))

        seen, found = {of(self.prepared.recipe)}, {}
        for recipe in self.recipes.values():
            if of(recipe) not in seen:
                seen.add(of(recipe))
                found[f"{UNTRAINED} ({recipe.encoder})"] = prepare(recipe, self.data, device=self.prepared.device)
        return found

    def _measured(self, name: str, candidate: Any) -> Measured:
        start = self.clock()
        measured = measure(name, candidate, self.problem, DEFAULT if name != PROPAGATION else ("few_labels",))
        if measured.scores:
            measured.save(self.folder.evidence(f"free {name}"))
        if name.startswith(UNTRAINED):
            self.folder.costs["evidence"] = max(self.folder.costs.get("evidence", 0.0), self.clock() - start)
        self.spend()
        return measured

    def _per_thousand(self, made: Representation, prepared: Prepared) -> float:
        """Return what embedding a thousand rows costs."""
        some = self.test[:_TIMED_ROWS]
        start = self.clock()
        in_pieces(made.embed_stored, prepared.rows, some)
        return (self.clock() - start) * 1000 / len(some)

    def measure_run(self, name: str, prepared: Prepared) -> None:
        """Measure what was trained, beside everything free, and finish its run directory."""
        state, recipe = self.folder.runs[name], prepared.recipe
        made = prepared.representation()
        state["embedding_seconds"], state["width"] = self._per_thousand(made, prepared), made.width
        found = []
        if self.label:
            both = both_parts(made.embed_stored, prepared.rows, self.train, self.test)
            vectors = Features(*both, parts=made.embedding.parts)
            measured = measure(made.title, vectors, self.problem, DEFAULT)
            measured.save(self.folder.evidence(name))
            facts = facts_of(self.problem, ours=made.title, label=self.label, notes=[*self.notes, *measured.notes])
            found = [concluded(facts, measured, self._free())]
        else:
            self._keep_vectors(name, in_pieces(made.embed_stored, prepared.rows, self.test))
            if recipe.method == self.prepared.recipe.method:
                initial = made.with_encoder(prepared.untrained(), prepared.rows, prepared.train)
                self._keep_vectors(f"{UNTRAINED} {name}", in_pieces(initial.embed_stored, prepared.rows, self.test))
        codes = None
        if made.coder:
            codes = codes_evidence(made, prepared.rows, self.data.labels, prepared.train, prepared.test)
        run = Run(self.folder.folder / name)
        run.export(prepared, made, found, codes)
        state |= {"verdict": diagnose(run.folder).name, "finished": True}
        self.spend()

    def _keep_vectors(self, name: str, vectors: NDArray[np.float32]) -> None:
        held = io.BytesIO()
        np.save(held, vectors)
        path = self.folder.evidence(name).with_suffix(".npy")
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, held.getvalue())

    def _free(self) -> list[Measured]:
        return [Measured.load(path) for path in sorted((self.folder.folder / EVIDENCE).glob("free-*.npz"))]

    def leaderboard(
        self, runs: Mapping[str, tuple[str, int]]
    ) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
        """Return rows, recommendation, and what a reader has to know beside them."""
        folder = self.folder
        names = {one: [run for run, (method, _) in runs.items() if method == one] for one in self.recipes}
        done = {one: [r for r in of if "failed" not in folder.runs[r]] for one, of in names.items()}
        if self.label:
            measured = {one: [Measured.load(folder.evidence(r)) for r in of] for one, of in done.items() if of}
            rows = scored_rows(measured, self._free(), self.problem.leading)
        else:
            rows = [{"name": one, "kind": "method"} for one, of in done.items() if of]
            rows = [row | {"stability": self._stability(done[row["name"]])} for row in rows]
            start = [f"{UNTRAINED} {run}" for run in done[next(iter(done))]]
            rows.append({"name": UNTRAINED, "kind": "free", "stability": self._stability(start)})
        rows += [{"name": one, "kind": "method", "few_labels": []} for one, of in done.items() if not of]
        for row in rows:
            if row["kind"] == "method":
                row |= self._of_runs(names[row["name"]])
            elif row["name"] == UNTRAINED:
                row |= {"embedding_seconds": folder.costs["embedding"]}
                row.setdefault("width", self.prepared.method.encoder.width)
        facts: dict[str, Any] = {"label": ""}
        if self.label:
            facts = facts_of(self.problem, ours="", label=self.label, notes=self.notes)
        shown = ("label", "task", "classes", "majority", "search_by_chance", "metric", "level", "notes")
        about = {name: facts[name] for name in shown if name in facts}
        if self.label:
            about["rows_used"] = facts["rows"]
        about |= {"description": self.data.description, "methods": list(self.recipes), "spent": folder.spent}
        advice = recommend(rows, label=self.label, guess=about.get("majority"))
        return rows, advice, about | {"share": folder.share, "test_rows": len(self.test)}

    def _of_runs(self, runs: Sequence[str]) -> dict[str, Any]:
        states = [self.folder.runs[run] for run in runs]
        verdicts = sorted({state["verdict"] for state in states})
        timed = [state["embedding_seconds"] for state in states if "embedding_seconds" in state]
        return {
            "runs": list(runs),
            "seeds": [state["seed"] for state in states],
            "training_seconds": float(np.mean([state["cpu_seconds"] for state in states])),
            "embedding_seconds": float(np.mean(timed)) if timed else None,
            "width": next((state["width"] for state in states if "width" in state), None),
            "verdict": ", ".join(verdicts),
        }

    def _stability(self, runs: Sequence[str]) -> dict[str, float] | None:
        """Return the overlap of the ten nearest neighbours of two seeds, over pairs of seeds, with its interval."""
        paths = [self.folder.evidence(run).with_suffix(".npy") for run in runs]
        vectors = [torch.from_numpy(find_reader(path).read(path, [])) for path in paths]
        if len(vectors) < 2:
            return None
        shared = torch.stack([overlap(*pair) for pair in combinations(vectors, 2)]).mean(dim=0).numpy()
        found = Resampled(np.array([shared.mean()]), resampled_means(shared[:, None]), len(shared), (0.0, 1.0))
        return found.interval()
