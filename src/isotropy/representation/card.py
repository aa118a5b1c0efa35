"""A model card: what a trained encoder is, for somebody who finds it without knowing how it came about."""

from collections.abc import Sequence
from typing import Any

_TAGS = {"table": "tabular", "series": "time-series", "image": "image", "array": "array"}


def card(
    about: dict[str, Any],
    *,
    name: str = "",
    licence: str = "",
    data: Sequence[str] = (),
    evidence: Sequence[str] = (),
    verdict: Sequence[str] = (),
) -> str:
    """Return a README.md in Markdown, with the front matter that hubs read.

    Args:
        about: what model.json says of the artefact. name: what it is called, for the title and the example.
        licence: of the weights, by its identifier, as "mit"; "" where nobody said.
        data, evidence, verdict: paragraphs and tables of what it was trained on, how good it was found, and how healthy
            the run was; without evidence the sentences that the artefact keeps.
    """
    method, modality, encoder = about["method"], about["modality"], about["encoder"]
    evidence = [*evidence] or [f"- {one['sentence']}" for one in about["scores"] if one.get("sentence")]
    width = about["embedding"]["width"]
    tags = ["self-supervised-learning", "feature-extraction", _TAGS.get(modality, modality), method]
    front = ["---", "library_name: isotropy", *([f"license: {licence}"] if licence else []), "tags:"]
    front += [*(f"- {tag}" for tag in tags), "---"]
    use = [
        "```python",
        "import isotropy",
        f'encoder = isotropy.Representation.from_pretrained("{name or "FOLDER"}")',
        f"vectors = encoder.transform(rows)  # (N, {width}) float32",
        "```",
    ]
    made = about["made_with"]
    limits = [
        "- It describes rows like those it was trained on; of others it gives vectors, too, and says nothing.",
        "- Scores hold for the label, the split and the metric beside them and for no other question.",
        "- config.json names the columns and categories of the training data, and no rows of it.",
    ]
    if not evidence:
        limits.insert(0, "- Nothing was measured with a label.")
    terms = f"The weights are under {licence}." if licence else "Nobody has said under which licence the weights are."
    sections = {
        "": [
            f"An encoder that `{method}` trained without labels: it turns a row of {modality} data into {width} "
            f"numbers ({encoder['name']}, {about['embedding']['name']} embedding; isotropy {made.get('isotropy')}, "
            f"torch {made.get('torch')}).",
        ],
        "Use": use,
        "Data": data,
        "Evidence": evidence,
        "Verdict on the run": verdict,
        "Limits": limits,
        "Licence": [terms],
    }
    lines = [*front, "", f"# {name or f'{method} on {modality} data'}", ""]
    for title, text in sections.items():
        if text:
            lines += [*([f"## {title}", ""] if title else []), *text, ""]
    return "\n".join(lines)
