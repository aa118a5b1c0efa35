"""Build what is said of all methods and encoders at once, from the registries and from papers/matrix/results.jsonl.

    python docs/build_capabilities.py            write docs/capabilities.md, docs/which_method.md and cli/methods.json
    python docs/build_capabilities.py --check    exit with 1 if one is stale

`isotropy methods` shows cli/methods.json: so it answers without loading torch.
"""

import inspect
import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

from made_pages import ROOT, write_or_check

from isotropy.encoders import ENCODERS
from isotropy.methods import METHODS
from isotropy.modalities import MODALITIES
from isotropy.runs.auto import method_for

MARKS = "<!-- made by docs/build_capabilities.py -->", "<!-- end of what is made -->"
SETS = {
    "table": ("adult", "dry_bean"),
    "series": ("epilepsy", "har"),
    "image": ("cifar10", "digits", "fashion"),
}
PROBES = ("linear", "knn")
FREE = ("raw features", "PCA", "summary features")


def measured() -> dict[str, dict[str, dict[str, list[float]]]]:
    """Return per modality, method and set its scores minus those of the best of what is free, [linear probe, k-NN].

    Free are raw features, PCA, summary features and the untrained encoder; seeds are averaged. The set that most
    methods were run on comes first, and what is best on it by k-NN.
    """
    scores: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in (ROOT / "papers/matrix/results.jsonl").read_text().splitlines():
        row = json.loads(line)
        scores[row["data"], row["variant"]].append(row)
    means = {key: [fmean(row[probe] for row in rows) for probe in PROBES] for key, rows in scores.items()}
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for modality, sets in SETS.items():
        gains: dict[str, dict[str, list[float]]] = defaultdict(dict)
        for data in sorted(sets, key=lambda one: -sum((one, name) in means for name in METHODS)):
            free = [
                mean
                for (name, variant), mean in means.items()
                if name == data and (variant in FREE or variant.startswith("untrained"))
            ]
            for name in METHODS:
                if mine := means.get((data, name)):
                    gains[name][data] = [round(one - max(best), 4) for one, best in zip(mine, zip(*free))]
        common = max((tuple(gain) for gain in gains.values()), key=len)[0]
        ranked = sorted(gains.items(), key=lambda one: -one[1].get(common, [0, -1])[1])
        found[modality] = dict(ranked)
    return found


def listing() -> dict[str, Any]:
    """Return what `isotropy methods` shows."""
    gains = measured()
    methods = []
    for name, kind in METHODS.items():
        methods.append({
            "name": name,
            "modalities": None if kind.modalities is None else list(kind.modalities),
            "views": "none" if kind.min_views == 1 else f"{kind.min_views} or more",
            "default for": [modality for modality in MODALITIES if name == method_for(modality)],
            "idea": (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " "),
            "measured": {modality: gain[name] for modality, gain in gains.items() if name in gain},
        })  # fmt: skip
    return {"ranked": {modality: list(gain) for modality, gain in gains.items()}, "methods": methods}


def _yes(said: Any) -> str:
    return "yes" if said else ""


def capabilities() -> str:
    """Return docs/capabilities.md."""
    methods = [
        "| method | data | views | unequal lengths | compares rows of a batch | codes |",
        "|---|---|---|---|---|---|",
    ]
    for name, kind in METHODS.items():
        data = ", ".join(modality for modality in MODALITIES if kind.takes(modality))
        views = "none" if kind.min_views == 1 else f"{kind.min_views} or more"
        codes = "segments" in inspect.signature(kind).parameters or name == "music"
        methods.append(
            f"| [{name}](methods/{name}.md) | {data} | {views} | {_yes(kind.takes_masks and kind.takes('series'))} | "
            f"{_yes(kind.gathered)} | {_yes(codes)} |"
        )
    encoders = ["| encoder | data | categories | unequal lengths | another length than in training | bf16 pays |"]
    encoders.append("|---|---|---|---|---|---|")
    for name, encoder in sorted(ENCODERS.items(), key=lambda one: (one[1].modality, one[0])):
        pays = encoder.convolutional or encoder.fast_in_bf16
        categories = "categories" in inspect.signature(encoder).parameters
        encoders.append(
            f"| `{name}` | {encoder.modality} | {_yes(categories)} | {_yes(encoder.takes_masks)} | "
            f"{_yes(encoder.any_length)} | {_yes(pays)} |"
        )
    everything = [
        "| what | tables | series | images | arrays |",
        "|---|---|---|---|---|",
        "| missing values | an indicator, for categories a level | interpolated along time | refused | refused |",
        "| levels, dates, texts | read, by the columns of training | | | |",
        "| groups, times, given splits | yes | yes | yes | yes |",
        "| joined with free features | columns | summaries, random convolutions | pixels, patches | |",
        "| export: ONNX, TorchScript, torch.export, hub | yes | of one length | yes | yes |",
    ]
    return "\n\n".join([
        "# What each method and encoder can do", MARKS[0],
        "Every method trains with any encoder of its data, on one process or several (`torchrun`), in parts of a batch "
        "where no layer has batch statistics, and resumes to the bit: the tests enumerate the registry. Every encoder "
        "is exported in every format of [export](export.md), tested likewise. `timm:MODEL` and networks of your own "
        "are encoders, too.",
        "## Kinds of data", "\n".join(everything),
        "## Methods", "\n".join(methods),
        "## Encoders", "\n".join(encoders),
    ]) + "\n"  # fmt: skip


def which() -> str:
    """Return the tables of docs/which_method.md."""
    parts = []
    for modality, methods in measured().items():
        sets = max((tuple(gain) for gain in methods.values()), key=len)
        parts += [f"**{modality}**", "", f"| method | {' | '.join(sets)} |", "|---|" + "---|" * len(sets)]
        for name, gains in methods.items():
            default = " (default)" if name == method_for(modality) else ""
            cells = [" / ".join(f"{gain:+.3f}" for gain in gains.get(data, [])) for data in sets]
            parts.append(f"| [{name}](methods/{name}.md){default} | {' | '.join(cells)} |")
        parts.append("")
    return "\n".join(parts)


def pages() -> dict[Path, str]:
    """Return the text of every file."""
    path = ROOT / "docs/which_method.md"
    before, rest = path.read_text().split(MARKS[0])
    return {
        ROOT / "docs/capabilities.md": capabilities(),
        path: f"{before}{MARKS[0]}\n\n{which()}\n{MARKS[1]}{rest.split(MARKS[1])[1]}",
        ROOT / "src/isotropy/cli/methods.json": json.dumps(listing(), indent=1) + "\n",
    }


if __name__ == "__main__":
    write_or_check(pages, __doc__)
