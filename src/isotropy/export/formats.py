"""The formats of a graph: how each is written and, for the check, run again from its file."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export import Dim

from isotropy.errors import UserError
from isotropy.export.graph import Graph

Runner = Callable[[dict[str, NDArray[Any]]], NDArray[Any]]
# A batch that is neither 1, which would be a special case of broadcasting, nor one that is checked.
_TRACED = 3


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporters report deprecations and versions of their own parts, of which a user can do nothing."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _program(graph: Graph, inputs: Sequence[Tensor]) -> torch.export.ExportedProgram:
    batch = Dim("batch")
    # One pair of brackets for the arguments, one for the arguments of `*inputs`.
    return torch.export.export(graph, tuple(inputs), dynamic_shapes=(tuple({0: batch} for _ in inputs),))


# Into memory first: torch (2.15) ends the process where a disk does not take what it writes.
def _write_torch(graph: Graph, inputs: Sequence[Tensor], path: Path) -> None:
    held = BytesIO()
    torch.export.save(_program(graph, inputs), held)
    path.write_bytes(held.getvalue())


def _read_torch(path: Path) -> Runner:
    network = torch.export.load(path).module()
    return lambda given: network(*map(torch.from_numpy, given.values())).numpy(force=True)


def _write_torchscript(graph: Graph, inputs: Sequence[Tensor], path: Path) -> None:
    held = BytesIO()
    torch.jit.save(torch.jit.trace(graph, tuple(inputs), check_trace=False), held)
    path.write_bytes(held.getvalue())


def _read_torchscript(path: Path) -> Runner:
    network = torch.jit.load(str(path))
    return lambda given: network(*map(torch.from_numpy, given.values())).numpy(force=True)


def _searchsorted(edges: Tensor, x: Tensor, *, right: bool = False, out_int32: bool = False, **_: Any) -> Tensor:
    """Return how many of the sorted edges lie before each value, which is what `torch.searchsorted` finds."""
    before = edges.unsqueeze(-2) <= x.unsqueeze(-1) if right else edges.unsqueeze(-2) < x.unsqueeze(-1)
    return before.sum(-1)


def _embedding_bag(
    weight: Tensor, places: Tensor, offsets: Tensor, scale: bool, mode: int, sparse: bool,
    weights: Tensor | None = None, *rest: Any,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Return the sums of bags of one size, as encoders of tables have them: a bag a row, a place a column."""
    bags = offsets.shape[0]
    found = weight[places].unflatten(0, (bags, -1))
    found = found if weights is None else found * weights.unflatten(0, (bags, -1)).unsqueeze(-1)
    return found.sum(1), places, places, places


# What ONNX has no operation for or one that its runtimes are slow at, in terms of others.
_DECOMPOSED = {
    torch.ops.aten.searchsorted.Tensor: _searchsorted,
    torch.ops.aten._embedding_bag.default: _embedding_bag,
    torch.ops.aten._embedding_bag_forward_only.default: _embedding_bag,
}


def _write_onnx(graph: Graph, inputs: Sequence[Tensor], path: Path) -> None:
    for name in ("onnx", "onnxscript"):
        _wanted(name)
    program = _program(graph, inputs).run_decompositions(_DECOMPOSED)
    names = [one["name"] for one in graph.inputs.about]
    exported = torch.onnx.export(
        program, dynamo=True, verbose=False, input_names=names, output_names=[graph.contract()["output"]["name"]]
    )
    assert exported is not None
    exported.save(str(path))


def _read_onnx(path: Path) -> Runner:
    runtime = _wanted("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(given: dict[str, NDArray[Any]]) -> NDArray[Any]:
        found: NDArray[Any] = session.run(None, given)[0]
        return found

    return run


def _wanted(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(f"export to onnx needs {module}: pip install 'isotropy[export]'") from error


FORMATS: dict[str, tuple[str, Callable[[Graph, Sequence[Tensor], Path], None], Callable[[Path], Runner]]] = {
    "onnx": ("model.onnx", _write_onnx, _read_onnx),
    "torchscript": ("model.torchscript.pt", _write_torchscript, _read_torchscript),
    "torch": ("model.pt2", _write_torch, _read_torch),
}


def write(graph: Graph, to: str, inputs: Callable[[int], dict[str, NDArray[Any]]], folder: Path) -> Runner:
    """Write a graph in a format into a folder, and return what runs the file.

    Args:
        graph: what is written. to: a name of `FORMATS`. inputs: returns the inputs of so many rows, by name.

    Raises:
        UserError: a network that the format cannot hold, named, or a package that is not installed.
        OSError: the disk does not take it.
    """
    name, writer, reader = FORMATS[to]
    example = [torch.from_numpy(array) for array in inputs(_TRACED).values()]
    try:
        with _quiet(), torch.no_grad():
            writer(graph, example, folder / name)
            return reader(folder / name)
    except UserError:
        raise
    # The exporters and the runtime raise errors of many classes, all of which mean the same here.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        raise UserError(f"the encoder {graph.name} cannot be exported to {to}: {reason}") from error
