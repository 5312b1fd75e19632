"""The model card for people: what it is for, what it learnt from, how good it is, what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["card_text"]


def card_text(metadata: dict[str, Any], parameters: int) -> str:
    """Return the card of a bundle as Markdown.

    Parameters
    ----------
    metadata : dict
        Of the bundle.
    parameters : int
        Numbers that the network learnt.

    Returns
    -------
    str
        In English; results with 95 % intervals over patients.
    """
    ours = metadata["workbench"]
    lines = [
        f"# {metadata['name']}",
        "",
        f"{metadata['description']}.",
        "",
        f"- Intended use: {metadata['intended_use'] or 'not stated; research only'}",
        f"- Licence: {ours['licence'] or 'not stated'}",
        f"- Network: {ours['recipe']['network']['name']}, {parameters:,} parameters, epoch {ours['best_epoch']} of {len(ours['history'])}",
        f"- Versions: MONAI {metadata['monai_version']}, PyTorch {metadata['pytorch_version']}",
        "- No medical device: not for the care of a patient.",
        "",
        "## Data",
        "",
        *_data(metadata),
        "",
        "## Results",
        "",
        "| cases | n | patients | measure | value | 95 % interval |",
        "|---|---|---|---|---|---|",
        *_results(ours["results"]),
        "",
        *_notes(ours),
        "",
        "## What this folder holds",
        "",
        f"Weights ({parameters:,} numbers), names of the classes, settings, counts and results. No image, no key, no identifier or date of",
        "a patient, and no path. Weights can remember what they learnt from: that an image was among the training cases may be guessed",
        "from how sure the model is of it, the more so the fewer there were. Who may have the data may have the model; others after a",
        "review.",
        "",
    ]
    return "\n".join(lines)


def _data(metadata: dict[str, Any]) -> Iterator[str]:
    data, split = metadata["workbench"]["data"], metadata["workbench"]["split"]
    yield f"- Source: {metadata['data_source'] or 'not stated'}"
    for part in ("train", "validation", "test"):
        yield f"- {part}: {data[part]['n_cases']} cases of {data[part]['n_patients']} patients"
    if data["leaks"]:
        found = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in data["leaks"].items())
        yield f"- On both sides of the split: {found}; same patients and pixels were dropped, near duplicates kept"
    else:
        yield f"- No patient, no image and no near duplicate is on both sides of the split (seed {split['seed']} where it was drawn)"
    yield f"- SHA-256 of the data: {data['sha256']}"


def _results(results: dict[str, Any]) -> Iterator[str]:
    for part, found in results.items():
        yield from _rows(part, found)
        for name in ("scanner", "verdict"):
            for group, each in found.get(f"by_{name}", {}).items():
                yield from _rows(f"{part}, {name} {_cell(group)}", each)


def _rows(title: str, found: dict[str, Any]) -> Iterator[str]:
    for measure, each in found["metrics"].items():
        value, low, high = (f"{each[key]:.3f}" if each[key] is not None else "" for key in ("value", "low", "high"))
        yield f"| {title} | {found['n_cases']} | {found['n_patients']} | {_cell(measure)} | {value} | {low} to {high} |"


def _cell(text: str) -> str:
    """Return text that stays within its cell."""
    return " ".join(text.split()).replace("|", "/")


def _notes(ours: dict[str, Any]) -> Iterator[str]:
    yield "Intervals: percentiles of a bootstrap that draws patients. The kept epoch was chosen on the validation cases, whose results are"
    yield "therefore too good; the test cases were used once."
    if ours["recipe"]["threshold"] is not None:
        classes = ours["recipe"]["classes"]
        threshold = ours["recipe"]["threshold"]
        yield f"Decided for {classes[1]} from a share of {threshold:.3f}, chosen on the validation cases (Youden's index)."
