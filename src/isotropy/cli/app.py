"""The commands and their options; each command is in a file of its own."""

from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from isotropy.cli.options import (
    EVALUATED,
    RUN,
    SOURCES,
    Baselines,
    Device,
    Evaluate,
    Json,
    Keep,
    LabelBudget,
    joined,
    names,
    origin,
)
from isotropy.cli.reading import ALL, AS_THE_RUN, LABELLED, reads, sources
from isotropy.cli.show import answering, say, waiting
from isotropy.errors import UserError
from isotropy.io.paths import existing_folder

_DEMO = Path("runs")
_LOADING = "loading torch"
GIVEN: list[str] = []  # what the command was called with, to be repeated where it can go on

app = typer.Typer(
    name="isotropy",
    help="Self-supervised representation learning, compared with baselines.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# Verbs import what they need when they run: `isotropy --help` answers without loading torch.


def _say_version(asked: bool) -> None:
    if asked:
        say(f"isotropy {version('isotropy')}")
        raise typer.Exit


@app.callback()
def _before(
    modules: Annotated[
        list[str] | None,
        typer.Option("--import", help="A module of your own, whose classes runs and recipes may name; repeatable."),
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    for name in modules or []:
        try:
            import_module(name)
        except ImportError as error:
            raise UserError(f"--import {name}: cannot be imported ({error})") from error


def _method_names(incomplete: str) -> list[str]:
    from isotropy.cli.methods import method_names

    return method_names(incomplete)


@app.command()
@reads(ALL)
def fit(
    path: Annotated[list[str] | None, SOURCES] = None,
    method: Annotated[
        str | None,
        typer.Option(help="Method; `isotropy methods` lists them (default: auto).", autocompletion=_method_names),
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="Network, for example table_resnet or timm:resnet18.")] = None,
    *,
    data: dict[str, Any],
    stream: Annotated[
        bool, typer.Option("--stream", help="Leave rows in their files, of which several are one data set.")
    ] = False,
    init: Annotated[
        str | None, typer.Option(help="Weights to begin with: a run, a .safetensors file or a .pt state dictionary.")
    ] = None,
    freeze: Annotated[
        int | None, typer.Option(min=0, help="First layers of the encoder that stay as they are (with --init).")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Epochs of the encoder.")] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time for training, embedding and evidence, for example 90s, 10m or 1h30m.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed of the whole run.")] = None,
    evaluate: Evaluate = None,
    baselines: Baselines = None,
    label_budget: LabelBudget = None,
    device: Device = "auto",
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bf16.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, for example method.temperature=0.2; repeatable.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe in TOML to start from.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the run (default: runs/NAME-METHOD).")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="A run directory to continue; with --epochs or --budget a finished one is trained longer."),
    ] = None,
    stop_on_collapse: Annotated[
        bool, typer.Option("--stop-on-collapse", help="End with exit code 3 if training collapses.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how the data is read and what would be trained, and stop there.")
    ] = False,
    json: Json = False,
) -> None:
    """Train an encoder, and compare it with baselines."""
    data |= {"stream": True} if stream else {}
    settings = {
        "method": method, "encoder": encoder, "epochs": epochs, "budget": budget, "seed": seed, "precision": precision,
        "init": init, "freeze": freeze,
        "set": set_ or [], "recipe": recipe,
    }  # fmt: skip
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import fit as verb

        answer(verb.fit(
            origin(path, data), settings, resume=resume, out=out, evaluators=names(evaluate or EVALUATED),
            baselines=names(baselines), label_budget=joined(label_budget), device=device,
            stop_on_collapse=stop_on_collapse, dry_run=dry_run,
        ))  # fmt: skip


@app.command()
@reads(AS_THE_RUN)
def embed(
    run: Annotated[Path, RUN],
    path: Annotated[list[str], typer.Argument(help="Data of the same kind as the run's.", callback=sources)],
    out: Annotated[
        Path, typer.Option(help="A .parquet, .arrow, .npy or .csv file to write; with --shard-rows a folder of them.")
    ],
    keep: Keep = None,
    shard_rows: Annotated[
        int | None,
        typer.Option(min=1, help="Rows of a file; called again, it goes on behind the files already there."),
    ] = None,
    codes: Annotated[bool, typer.Option("--codes", help="Write codes, one cluster per segment, instead.")] = False,
    standardise: Annotated[
        bool, typer.Option("--standardise", help="Columns with mean 0 and deviation 1 in the training rows.")
    ] = False,
    *,
    data: dict[str, Any],
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Write the embeddings of new data, in constant memory."""
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import embed as verb

        answer(verb.embed(
            run, origin(path, data), out, codes=codes, standardise=standardise, keep=keep or [], shard_rows=shard_rows,
            device=device,
        ))  # fmt: skip


@app.command()
@reads(LABELLED)
def probe(
    run: Annotated[Path, RUN],
    path: Annotated[list[str], typer.Argument(help="Labelled data of the same kind as the run's.", callback=sources)],
    *,
    data: dict[str, Any],
    evaluate: Evaluate = None,
    baselines: Baselines = None,
    label_budget: LabelBudget = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the split, the folds and the resamples.")] = 0,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Evaluate a run on a label, and compare it with baselines."""
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import probe as verb

        answer(verb.probe(
            run, origin(path, data), evaluators=names(evaluate or EVALUATED), baselines=names(baselines),
            label_budget=joined(label_budget), seed=seed, device=device,
        ))  # fmt: skip


@app.command()
@reads([name for name in LABELLED if name != "label"])
def finetune(
    run: Annotated[Path, RUN],
    path: Annotated[
        list[str], typer.Argument(help="Data of the same kind as the run's, labelled in part or all.", callback=sources)
    ],
    label: Annotated[
        list[str] | None, typer.Option(help="Column to predict; rows without a value are not labelled.")
    ] = None,
    *,
    data: dict[str, Any],
    budget: Annotated[
        str, typer.Option(help="Time for fine-tuning and for the same network from scratch, as 90s or 10m.")
    ] = "3m",
    joint: Annotated[
        float, typer.Option(min=0, help="Weight of the self-supervised loss on all rows beside the label's.")
    ] = 0.0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, for example lr=1e-4 or frozen_epochs=5; repeatable.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Random seed (default: the run's, for its test rows).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the model (default: RUN-LABEL).")] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Fine-tune a run's encoder on a label, and compare it with the probe, with scratch and with trees."""
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import finetune as verb

        answer(verb.finetune(
            run, origin(path, data), labels=label or [], budget=budget, joint=joint,
            settings=set_ or [], seed=seed, out=out, device=device,
        ))  # fmt: skip


@app.command()
@reads(AS_THE_RUN)
def predict(
    model: Annotated[Path, typer.Argument(help="A folder that `isotropy finetune` wrote.", callback=existing_folder)],
    path: Annotated[
        list[str], typer.Argument(help="Data of the same kind as the model's; a label may be there.", callback=sources)
    ],
    out: Annotated[Path, typer.Option(help="A .parquet or .csv file to write.")],
    keep: Keep = None,
    *,
    data: dict[str, Any],
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Write a fine-tuned model's predictions of new data, with probabilities, in constant memory."""
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import predict as verb

        answer(verb.predict(model, origin(path, data), out, keep=keep or [], device=device))


@app.command()
def export(
    run: Annotated[Path, RUN],
    to: Annotated[
        str,
        typer.Option(
            help="onnx, torchscript or torch (needs no isotropy), or huggingface: a folder with a model card."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder to make (default: RUN/FORMAT).")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the weights for the model card, for example mit.")] = "",
    push: Annotated[
        str | None, typer.Option(help="Upload to OWNER/NAME on the Hugging Face hub (with --to huggingface).")
    ] = None,
    json: Json = False,
) -> None:
    """Write a run's encoder for other programs, compared with what isotropy gives."""
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import export as verb

        answer(verb.export(run, to, out, licence=licence, push=push))


@app.command()
def diagnose(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run directories of finished or current runs.")],
    json: Json = False,
) -> None:
    """Say if a run is healthy and what to try, or compare runs."""
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import diagnose as verb

        answer(verb.diagnose(runs))


@app.command()
@reads(ALL)
def compare(
    path: Annotated[list[str], SOURCES],
    methods: Annotated[
        list[str] | None, typer.Option(help="Methods, for example lfr,masked (default: a few that suit).")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Runs of each method (default: 1, and 2 without a label).")
    ] = None,
    budget: Annotated[str, typer.Option(help="CPU time for everything, for example 90s, 10m or 1h30m.")] = "10m",
    *,
    data: dict[str, Any],
    seed: Annotated[int, typer.Option(min=0, help="The first random seed, and that of the split.")] = 0,
    device: Device = "auto",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of every method, for example encoder.width=64.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the runs (default: runs/NAME-compare).")] = None,
    json: Json = False,
) -> None:
    """Train several methods at equal budget, compare them with what is free, and say what to use."""
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import compare as verb

        answer(verb.compare(
            origin(path, data), methods=names(methods), seeds=seeds, budget=budget, seed=seed, settings=set_ or [],
            device=device, out=out, again=GIVEN,
        ))  # fmt: skip


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run directory, or the folder of a comparison.")],
    umap: Annotated[bool, typer.Option("--umap", help="Begin with a map by UMAP (isotropy[map]).")] = False,
    json: Json = False,
) -> None:
    """Write report.html again from the run directory."""
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import report as verb

        answer(verb.report(run, umap=umap))


@app.command()
def methods(
    modality: Annotated[
        str | None,
        typer.Option(help="table, series, image or array: its methods, by what they were measured to be worth."),
    ] = None,
    json: Json = False,
) -> None:
    """List the methods, their data, what they were measured to be worth, and their ideas."""
    from isotropy.cli import methods as verb

    verb.methods(modality, as_json=json)


@app.command()
@reads(AS_THE_RUN)
def search(
    run: Annotated[Path, RUN],
    path: Annotated[
        list[str] | None,
        typer.Argument(help="Data of the same kind to search (default: the run's own rows).", callback=sources),
    ] = None,
    query: Annotated[
        str,
        typer.Option(
            help="Numbers of rows, counted from 0, as 5 or 3,7-9 (each is left out of its own answer), or a file."
        ),
    ] = "0",
    k: Annotated[int, typer.Option("-k", "--top-k", help="Rows to find for each query.")] = 10,
    out: Annotated[Path | None, typer.Option(help="A .json, .parquet or .csv file to write.")] = None,
    *,
    data: dict[str, Any],
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Find the rows most similar to some, exactly, and show them beside each other."""
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import search as verb

        answer(verb.search(run, origin(path, data), query, top_k=k, out=out, device=device))


@app.command()
def cluster(
    run: Annotated[Path, RUN],
    k: Annotated[str, typer.Option("-k", help="Number of clusters, or auto: the one that is found again.")] = "auto",
    method: Annotated[str, typer.Option(help="kmeans, or hdbscan: dense regions, and rows in none.")] = "kmeans",
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    json: Json = False,
) -> None:
    """Find clusters of a run's rows, and say what distinguishes them."""
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import cluster as verb

        answer(verb.cluster(run, k, method=method, seed=seed))


@app.command()
def explore(
    run: Annotated[Path, RUN],
    write_only: Annotated[
        bool, typer.Option("--write-only", help="Write map, neighbours and scores, and start nothing.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the explorer's page.")] = 5055,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the map.")] = 0,
    json: Json = False,
) -> None:
    """Look at a run's rows on a map that filters and searches, by embedding-atlas."""
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import explore as verb

        program = None if write_only else verb.find_program()
        answer(found := verb.explore(run, seed=seed))
    if program is not None:
        verb.start(program, found["file"], port)


@app.command()
def audit(
    run: Annotated[Path, RUN],
    label: Annotated[
        str | None,
        typer.Option(help="A label of the run, another column of its data, or a .npy, .csv or .parquet file of one."),
    ] = None,
    most: Annotated[int, typer.Option("-n", min=0, help="Rows of each kind that are shown.")] = 5,
    json: Json = False,
) -> None:
    """Find copies, outliers, wrong labels, leaks and blank rows in the data of a run."""
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import audit as verb

        answer(verb.audit(run, label=label, most=most))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where digits.npz and the run demo are written, each made anew.")] = _DEMO,
    json: Json = False,
) -> None:
    """Train on digits that ship with scikit-learn, evaluate, search, and find the copies among them."""
    with answering(as_json=json) as answer:
        with waiting(_LOADING):
            from isotropy.cli import demo as verb

        answer(verb.demo(out, lambda words: app(words, prog_name="isotropy", standalone_mode=False)))
