"""What a run measured of itself at its end, for its page: the spectrum of its embeddings, memory and time."""

import sys
from typing import Any

from isotropy.runs.monitor import Monitor


def measured(watch: Monitor | None, seconds: float) -> dict[str, Any]:
    """Return what is kept in measured.json.

    Args:
        watch: the monitor, where there was one. seconds: what evidence and embedding took.

    Returns:
        {"evaluation_seconds", "peak_memory": bytes of this process, None where that is not known, "spectrum": {"rows",
        "trained", "untrained"}}; see `diagnostics.spectrum`.
    """
    found: dict[str, Any] = {"evaluation_seconds": round(seconds, 3), "peak_memory": peak_memory()}
    return found if watch is None else found | {"spectrum": watch.spectrum()}


def peak_memory() -> int | None:
    """Return the most bytes of memory that this process held, None on a system that does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most if sys.platform == "darwin" else most * 1024)
