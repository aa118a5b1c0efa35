"""`isotropy explore`: a run's rows in embedding-atlas, which runs as a program of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from isotropy.cli.show import say, waiting
from isotropy.clusters.explorer import prepare_explorer
from isotropy.errors import UserError
from isotropy.io.tables import dimensions
from isotropy.runs import columns
from isotropy.runs.directory import Run
from isotropy.runs.embedded import FILE

PROGRAM = "embedding-atlas"


def find_program() -> str:
    """Return where embedding-atlas is; UserError where it is not installed.

    Beside this Python, or anywhere on the path: it needs other versions of much, and may have its own environment.
    """
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which(PROGRAM, path=places)
    if program is None:
        raise UserError(
            f"{PROGRAM} is not installed: pip install 'isotropy[explore]', or apart from the rest uv tool install "
            f"{PROGRAM}; --write-only writes what it reads"
        )
    return program


def explore(folder: Path, *, seed: int) -> dict[str, Any]:
    """Run `isotropy explore RUN --write-only`; return the file, and the columns that were written by what they are."""
    run = Run.opened(folder)
    with waiting("reading the run") as now:
        names, notes = prepare_explorer(folder, seed=seed, progress=now)
    path = run.folder / FILE
    for text in notes:
        say(text)
    say(f"written     {', '.join(names.values())} of {path}")
    return {"file": str(path), "columns": names, "notes": notes}


def start(program: str, file: str, port: int) -> None:
    """Run embedding-atlas on the file until it is ended.

    Where the system can, it takes the place of this process: what ends the one would leave the other's server behind,
    and nothing of what was loaded is needed any more.
    """
    command = [program, *arguments(Path(file)), "--port", str(port)]
    if os.name == "posix":
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(program, command)
    code = subprocess.run(command, check=False).returncode
    if code not in (0, -2, 130):
        raise UserError(f"{PROGRAM} ended with exit code {code}")


def arguments(path: Path) -> list[str]:
    """Return what embedding-atlas is called with: the file, which columns are the map, and no dimensions.

    It draws a chart of every column, and one of every number by its size: so clusters go as texts, and z0, z1, ... not.
    """
    schema = columns.schema_of(path)
    known = {role: name for name, role in columns.roles(schema).items()}
    wide = set(dimensions(schema.names))
    order = [known[role] for role in (columns.CLUSTER, columns.PICTURE) if role in known]
    order += [name for name in schema.names if name not in wide and name not in order]
    chosen = [_cast(name) if name == known.get(columns.CLUSTER) else _quoted(name) for name in order]
    given = [str(path), "--query", f"SELECT {', '.join(chosen)} FROM data"]
    given += ["--x", known[columns.X], "--y", known[columns.Y]]
    options = {"--neighbors": columns.NEIGHBORS, "--image": columns.PICTURE}
    return given + [text for option, role in options.items() if role in known for text in (option, known[role])]


def _cast(name: str) -> str:
    return f"CAST({_quoted(name)} AS VARCHAR) AS {_quoted(name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
