"""What a seeded mutator does to files: to their bytes, and to the fields of their JSON."""

import copy
import json
import random
from typing import Any

# Values that no field expects, as JSON text: types, infinities, lengths, nesting, and texts that steer a terminal.
STRANGE = [
    "null", "true", "-1", "0", "1e308", "-1e308", "1" + "0" * 400, "Infinity", "-Infinity", "NaN", "9007199254740993",
    '""', '"x"', '"[/bold] [red"', '"\\u001b[2J\\u202e"', '"=1+1"', '"\\ud800"', '"' + "a" * 100_000 + '"', '"../../x"',
    '"os:system"', '"timm:nothing"', "[]", "{}", "[[[]]]", "[null]", "[1e308, -1e308]", '{"a": {"b": []}}',
    "[" * 10_000 + "]" * 10_000,
]  # fmt: skip


def damaged_bytes(data: bytes, dice: random.Random) -> bytes:
    """Return data with one to three damages: cut, bits flipped, overwritten, doubled, emptied, numbers made long."""
    content = bytearray(data)
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(max(len(content), 1))
        how = dice.choice(["cut", "flip", "overwrite", "double", "header", "number", "empty"])
        if how == "cut":
            del content[place:]
        elif how == "flip" and content:
            content[place] ^= 1 << dice.randrange(8)
        elif how == "overwrite":
            content[place : place + 8] = dice.randbytes(8)
        elif how == "double":
            content[place:place] = content[place : place + 64]
        elif how == "header" and len(content) > 16:
            content[dice.randrange(16)] = 255
        elif how == "number" and (digits := [n for n, one in enumerate(content) if 48 <= one <= 57]):
            at = dice.choice(digits)
            content[at : at + 1] = b"9" * dice.choice([2, 12, 400])
        elif how == "empty" and dice.random() < 0.1:
            content.clear()
    return bytes(content)


def damaged_json(data: bytes, dice: random.Random) -> bytes:
    """Return JSON, or JSON lines, with one to three fields deleted, replaced by strange values, doubled or moved."""
    lines = [data] if data.lstrip()[:1] in b"[{" and parses(data) else data.splitlines()
    place = dice.randrange(len(lines))
    value = json.loads(lines[place])
    said = []
    for _ in range(dice.randint(1, 3)):
        value = changed_fields(value, dice, said)
    text = json.dumps(value)
    for number, strange in enumerate(said):
        text = text.replace(f'"@{number}@"', strange)
    lines[place] = text.encode("utf-8", "surrogatepass")
    return lines[0] if len(lines) == 1 else b"\n".join([*lines, b""])


def parses(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def changed_fields(value: Any, dice: random.Random, said: list[str]) -> Any:
    value = copy.deepcopy(value)
    holders = [one for one in _inside(value) if one]
    if not holders or dice.random() < 0.02:
        said.append(dice.choice(STRANGE))
        return f"@{len(said) - 1}@"
    # The files hold long lists of numbers: objects are as likely as all of them together.
    objects = [one for one in holders if isinstance(one, dict)]
    holder = dice.choice(objects if objects and dice.random() < 0.7 else holders)
    key = dice.choice(list(holder)) if isinstance(holder, dict) else dice.randrange(len(holder))
    how = dice.choice(["delete", "replace", "replace", "replace", "swap", "rename"])
    if how == "delete":
        del holder[key]
    elif how == "replace":
        said.append(dice.choice(STRANGE))
        holder[key] = f"@{len(said) - 1}@"
    elif how == "swap":
        holder[key] = copy.deepcopy(dice.choice(holders))
    elif isinstance(holder, dict):
        holder[f"{key}\x1b["] = holder.pop(key)
    return value


def _inside(value: Any) -> list[Any]:
    """Return every object and list of a value, itself too."""
    found = [value] if isinstance(value, (dict, list)) else []
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found += _inside(one)
    return found
