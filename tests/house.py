"""The rooms of the house: which may import which, how large they are, and what they import (`make rooms`)."""

import ast
import sys
from pathlib import Path

SRC = Path(__file__).parents[1] / "src" / "isotropy"
FILES = sorted(SRC.rglob("*.py"))
_GROUND = "errors validation rng batch"
# Room -> the rooms that its files may import, besides itself. A room that is not named here may not exist.
ALLOWED = {
    room: set(allowed.split())
    for room, allowed in {
        # Ground floor: nothing of ours, or next to nothing.
        "errors": "",
        "rng": "",
        "validation": "errors",
        "batch": "errors",
        "io": "errors",
        "registry": "errors",
        "threads": "",
        "decoding": "errors",
        # Arithmetic: tensors in, numbers out. Objectives and diagnostics know nobody.
        "objectives": "errors",
        "diagnostics": "errors",
        # Parts of a training. Views and encoders know nothing of methods, methods nothing of the loop or of data.
        "nn": "objectives errors validation",
        "encoders": f"nn registry io {_GROUND}",
        "views": f"encoders nn {_GROUND}",
        "methods": f"objectives nn encoders views registry {_GROUND}",
        "training": f"methods encoders views io {_GROUND}",
        "features": _GROUND,
        "search": _GROUND,
        # Data, what is made of it, and what that is worth. Nothing here knows a method or the loop.
        "data": f"decoding io registry {_GROUND}",
        # One record a kind of data: the only place that knows all parts of one.
        "modalities": f"features data views encoders nn methods {_GROUND}",
        "representation": f"threads search features modalities data encoders nn io {_GROUND}",
        "evaluation": f"threads search features representation modalities diagnostics io {_GROUND}",
        # Fine-tuning: a representation, a head and labels, in the training loop.
        "finetuning": f"representation evaluation modalities methods training views data io {_GROUND}",
        # A run puts them together; nothing below knows that there are runs.
        "runs": "threads registry modalities methods training views encoders nn data representation evaluation "
        f"diagnostics io {_GROUND}",
        # What is done with a finished run.
        "clusters": f"search runs evaluation representation diagnostics modalities features data io {_GROUND}",
        "audit": f"search representation evaluation data modalities diagnostics features runs io {_GROUND}",
        "report": f"threads search clusters runs evaluation diagnostics representation methods data io {_GROUND}",
        "export": f"representation evaluation features encoders data runs io {_GROUND}",
        "scale": f"search finetuning representation evaluation data {_GROUND}",
        "estimator": "finetuning runs training modalities methods views encoders data representation evaluation "
        f"{_GROUND}",
        "cli": "search audit export clusters estimator report finetuning runs modalities methods training encoders "
        "data representation evaluation diagnostics io errors validation",
        "__init__": "cli estimator report finetuning runs methods training encoders data representation evaluation "
        "errors",
        "__main__": "cli",
    }.items()
}


def room_of(path: Path) -> str:
    """Return the room of a file of the package: its folder under isotropy/, or its own name."""
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Return the rooms that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "isotropy":
            names = node.module.split(".")[1:]
            found |= {names[0]} if names else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found |= {name[1] for name in names if name[0] == "isotropy" and len(name) > 1}
    return found - {room_of(path)}


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without its signature and docstring: what has to be read as code."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def sheet() -> str:
    """Return the rooms with files, lines and imports, then the files over 300 lines and the functions over 60."""
    rooms: dict[str, list[Path]] = {}
    for path in FILES:
        rooms.setdefault(room_of(path), []).append(path)
    size = {path: len(path.read_text().splitlines()) for path in FILES}
    out = [f"{'room':16}{'files':>6}{'lines':>7}  imports"]
    arrows = 0
    for room in ALLOWED:
        if files := rooms.get(room):
            needs = set().union(*(imported(path) for path in files))
            arrows += len(needs)
            out.append(
                f"{room:16}{len(files):6}{sum(size[p] for p in files):7}  {' '.join(n for n in ALLOWED if n in needs)}"
            )
    out.append(f"{len(rooms)} rooms, {len(FILES)} files, {sum(size.values()):,} lines, {arrows} arrows")
    out += [f"a question: {p.relative_to(SRC)} has {n} lines" for p, n in size.items() if n > 300]
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (n := lines_of(node)) > 60:
                out.append(f"a question: {path.relative_to(SRC)}: {node.name} has {n} lines")
    return "\n".join(out)


if __name__ == "__main__":
    sys.stdout.write(sheet() + "\n")
