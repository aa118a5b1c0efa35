"""A budget as it is written on the command line."""

from re import fullmatch

from isotropy.errors import UserError

_MOST_SECONDS = 1e9  # thirty years


def seconds_of(text: str) -> float:
    """Return the seconds of "90s", "10m", "1h30m" or "2h"; raise UserError for anything else, or no time at all.

    Example:
        >>> seconds_of("1h30m"), seconds_of("90s"), seconds_of("2m 5s")
        (5400.0, 90.0, 125.0)
    """
    found = fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", "".join(text.split()))
    total = sum(float(n or 0) * unit for n, unit in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0.0
    if not 0 < total < _MOST_SECONDS:
        raise UserError(f"--budget {text}: a time is written as 90s, 10m or 1h30m")
    return total
