"""What a seeded mutator does to files of a form: fields of TOML, headers of tensors, columns of tables, members of tar.

What comes out is a valid file most of the time, as a stranger could write it, and no longer what isotropy wrote.
"""

import io
import json
import random
import struct
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w
from mutations import changed_fields, damaged_bytes, damaged_json, parses
from pyarrow import feather, ipc

# Texts that steer terminals, pages, spreadsheets or paths, or that nobody expects as a name.
TEXTS = [
    "",
    "x",
    "[/bold] [red",
    "\x1b[2J\u202e",
    "=1+1",
    "a" * 100_000,
    "../../x",
    "\0",
    "z0",
    "part",
    "row",
    "<script>",
]
NUMBERS = [float("nan"), float("inf"), -1e308, 0.0, 1e-320, 2.0**63]


def damaged_toml(data: bytes, dice: random.Random) -> bytes:
    """Return TOML with one to three fields deleted, replaced by strange values, doubled or moved."""
    value, said = tomllib.loads(data.decode()), []
    for _ in range(dice.randint(1, 3)):
        value = changed_fields(value, dice, said)
    text = tomli_w.dumps(value if isinstance(value, dict) else {"x": value})
    for number, strange in enumerate(said):
        text = text.replace(f'"@{number}@"', _as_toml(strange))
    return text.encode("utf-8", "surrogatepass")


def _as_toml(strange: str) -> str:
    named = {"null": "1979-05-27", "Infinity": "inf", "-Infinity": "-inf", "NaN": "nan", "{}": "{}"}
    return named.get(strange, "{a = {b = []}}" if strange.startswith("{") else strange)


def damaged_safetensors(data: bytes, dice: random.Random) -> bytes:
    """Return a file of tensors whose header, or the JSON that is an entry of its metadata, has other fields.

    A checksum in the entry is left out, as older versions wrote none.
    """
    (length,) = struct.unpack("<Q", data[:8])
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    about = header.get("__metadata__", {})
    entries = sorted(key for key, value in about.items() if value.startswith("{"))
    if entries and dice.random() < 0.7:
        key = dice.choice(entries)
        inside = json.loads(about[key])
        inside.pop("crc32", None)
        about[key] = damaged_json(json.dumps(inside).encode(), dice).decode("utf-8", "replace")
        written = json.dumps(header).encode()
    else:
        written = damaged_json(json.dumps(header).encode(), dice)
    return struct.pack("<Q", len(written)) + written + rest


def damaged_table(data: bytes, dice: random.Random, suffix: str) -> bytes:
    """Return a table with one to three changes of its columns' types, values and names, its rows or its metadata."""
    table = _read(data, suffix)
    for _ in range(dice.randint(1, 3)):
        if table.num_columns:
            table = dice.choice(CHANGES)(table, dice)
    try:
        return _written(table, suffix)
    # Formats lack some types.
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return damaged_bytes(data, dice)


def _read(data: bytes, suffix: str) -> pa.Table:
    if suffix == ".parquet":
        return pq.read_table(io.BytesIO(data))
    return feather.read_table(io.BytesIO(data)) if suffix == ".feather" else ipc.open_stream(data).read_all()


def _written(table: pa.Table, suffix: str) -> bytes:
    out = io.BytesIO()
    if suffix == ".parquet":
        pq.write_table(table, out)
    elif suffix == ".feather":
        feather.write_feather(table, out)
    else:
        with ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)
    return out.getvalue()


def _column_of(rows: int, dice: random.Random) -> pa.Array:
    """Return a column of a type that a table seldom has."""
    draw = np.random.default_rng(dice.randrange(1 << 32))
    whole = pa.array(draw.integers(0, 9, rows))
    texts = pa.array([dice.choice(TEXTS) for _ in range(rows)])
    made: list[Callable[[], pa.Array]] = [
        lambda: pa.nulls(rows),
        lambda: texts,
        lambda: texts.dictionary_encode(),
        lambda: pa.DictionaryArray.from_arrays(pa.array([None] * rows, pa.int8()), pa.array(["a"])),
        lambda: pa.array([[float(one)] * dice.randint(0, 3) for one in range(rows)]),
        lambda: pa.array([[[1], [2, None]] for _ in range(rows)]),
        lambda: pa.array([{"a": one, "b": "x"} for one in range(rows)]),
        lambda: pa.array([[("a", one)] for one in range(rows)], pa.map_(pa.string(), pa.int64())),
        lambda: pa.array([b"\xff\x00"] * rows),
        lambda: pa.array([b"ab"] * rows, pa.binary(2)),
        lambda: whole.cast(pa.decimal128(38, 10)),
        lambda: pa.array([-(1 << 63) + 1, (1 << 63) - 1] * rows)[:rows].cast(
            pa.timestamp(dice.choice(["s", "ms", "us", "ns"]))
        ),
        lambda: whole.cast(pa.timestamp("us", "Europe/Oslo")),
        lambda: whole.cast(pa.timestamp("us", "Nowhere/Nothing")),
        lambda: pa.array([(1 << 31) - 1, -(1 << 31)] * rows, pa.int32())[:rows].cast(pa.date32()),
        lambda: pa.array([(1 << 63) - 1] * rows).cast(pa.duration("s")),
        lambda: whole.cast(pa.int32()).cast(pa.time32("s")),
        lambda: pa.array([pa.MonthDayNano([1, 2, 3])] * rows),
        lambda: pa.array([(1 << 64) - 1] * rows, pa.uint64()),
        lambda: pa.array(np.full(rows, 6e4, np.float16)),
        lambda: pa.array([dice.choice(NUMBERS) for _ in range(rows)]),
        lambda: pa.array(draw.random(rows) < 0.5),
        lambda: pa.array(["x"] * rows, pa.large_string()),
        lambda: pa.array(["x"] * rows, pa.string_view()),
        lambda: pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((max(rows, 1), 2, 2)))[:rows],
    ]
    return dice.choice(made)()


def _retyped(table: pa.Table, dice: random.Random) -> pa.Table:
    place = dice.randrange(table.num_columns)
    field = table.schema.field(place)
    column = _column_of(len(table), dice)
    return table.set_column(place, field.with_type(column.type), column)


def _renamed(table: pa.Table, dice: random.Random) -> pa.Table:
    names = list(table.column_names)
    names[dice.randrange(len(names))] = dice.choice([*TEXTS, *names])
    return table.rename_columns(names)


def _dropped(table: pa.Table, dice: random.Random) -> pa.Table:
    return table.remove_column(dice.randrange(table.num_columns))


def _cut(table: pa.Table, dice: random.Random) -> pa.Table:
    return dice.choice([table.slice(0, 0), table.slice(0, 1), table.slice(3), pa.concat_tables([table, table])])


def _shuffled(table: pa.Table, dice: random.Random) -> pa.Table:
    places = list(range(table.num_columns))
    dice.shuffle(places)
    return table.select(places)


def _said(table: pa.Table, dice: random.Random) -> pa.Table:
    """Return the table with other metadata: what pandas keeps there, and what is kept there of a column."""
    about = dict(table.schema.metadata or {})
    if about and dice.random() < 0.6:
        key = dice.choice(sorted(about))
        about[key] = damaged_json(about[key], dice) if parses(about[key]) else b"\xff"
        return table.replace_schema_metadata(about)
    place = dice.randrange(table.num_columns)
    field = table.schema.field(place)
    value = dice.choice([b"", b"\xff", b"part", b"row", b"label", b"neighbors", b"picture", b"column", b"x"])
    column = table.column(place)
    return table.set_column(
        place, field.with_metadata({b"isotropy": value, b"isotropy.name": b"\xff" * (place % 2)}), column
    )


CHANGES = [_retyped, _retyped, _retyped, _renamed, _dropped, _cut, _shuffled, _said, _said]


def damaged_tar(data: bytes, dice: random.Random) -> bytes:
    """Return a tar file with one to three members renamed, dropped, doubled, of another type or with other content."""
    members: list[tuple[tarfile.TarInfo, bytes]] = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            members.append((member, file.read() if file else b""))
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(members))
        member, content = members[place]
        how = dice.choice(["name", "drop", "double", "type", "content", "content", "swap"])
        if how == "name":
            names = [
                "../../x.png",
                "/x.cls",
                "a" * 300 + ".cls",
                "\udcff.cls",
                ".cls",
                "a.b.c.d",
                "x",
                "a.NPY",
                "a.json",
            ]
            member.name = dice.choice(names)
        elif how == "drop" and len(members) > 1:
            del members[place]
        elif how == "double":
            members.insert(dice.randrange(len(members)), members[place])
        elif how == "type":
            member.type = dice.choice(
                [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
            )
            member.linkname = dice.choice(["../../x", "/etc/hostname", members[0][0].name])
        elif how == "content":
            change = damaged_json if member.name.endswith(".json") and parses(content) else damaged_bytes
            members[place] = member, change(content, dice)
        else:
            other = dice.randrange(len(members))
            members[place] = member, members[other][1]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=dice.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])) as archive:
        for member, content in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def damaged_form(path: Path, data: bytes, dice: random.Random) -> bytes | None:
    """Return the content of a file with its form damaged; None for forms that are only damaged by bytes."""
    if path.suffix in (".json", ".jsonl"):
        return damaged_json(data, dice)
    if path.suffix in (".parquet", ".feather", ".arrow"):
        return damaged_table(data, dice, path.suffix)
    change = {".toml": damaged_toml, ".safetensors": damaged_safetensors, ".tar": damaged_tar}.get(path.suffix)
    return None if change is None else change(data, dice)
