"""The model card for people, in Chinese and English: what it is for, what it learnt from, how good it is, what it holds.

Sections as Mitchell et al. 2019 (Model Cards for Model Reporting) ask for them, as far as a training knows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imaging.models.card_words import NAMES, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["card_text", "measure_name"]


def card_text(metadata: dict[str, Any], parameters: int, language: str) -> str:
    """Return the card of a bundle as Markdown.

    Parameters
    ----------
    metadata : dict
        Of the bundle.
    parameters : int
        Numbers that the network learnt.
    language : str
        zh or en. Names, sources, uses and licences stand as the task has them.

    Returns
    -------
    str
        Results of parts, scanners and verdicts with 95 % intervals over patients.
    """
    words = WORDS[language]
    sections = (
        (None, _first(metadata, words)),
        ("use", _use(metadata, words)),
        ("data", _data(metadata, words)),
        ("results", _results(metadata, words, language)),
        ("model", _model(metadata, parameters, words)),
        ("holds", iter([words["contents"].format(parameters=f"{parameters:,}")])),
    )
    lines = []
    for title, body in sections:
        lines += [*([f"## {words[title]}", ""] if title else []), *body, ""]
    return "\n".join(lines)


def _first(metadata: dict[str, Any], words: dict[str, str]) -> Iterator[str]:
    recipe = metadata["workbench"]["recipe"]
    yield f"# {_line(metadata['name'])}"
    yield ""
    yield words[recipe["kind"]].format(classes=words["between"].join(map(_line, recipe["classes"])))
    yield ""
    yield f"**{words['warning']}**"


def _use(metadata: dict[str, Any], words: dict[str, str]) -> Iterator[str]:
    yield f"- {words['intended']}{_line(metadata['intended_use']) or words['not stated']}"
    yield f"- {words['licence']}{_line(metadata['workbench']['licence']) or words['not stated']}"
    if metadata["workbench"].get("licence_text"):
        yield f"- {words['licence text']}"


def _data(metadata: dict[str, Any], words: dict[str, str]) -> Iterator[str]:
    ours = metadata["workbench"]
    yield f"{words['source']}{_line(metadata['data_source']) or words['not stated']}"
    if ours.get("origin"):
        return
    data = ours["data"]
    yield ""
    classes = list(data["train"].get("by_class", ()))
    yield from _table([words["part"], words["cases"], words["patients"], *map(_line, classes)])
    for part in ("train", "validation", "test"):
        counts = [data[part]["n_cases"], data[part]["n_patients"], *(data[part].get("by_class", {}).get(name, 0) for name in classes)]
        yield f"| {words[part]} | {' | '.join(f'{count:,}' for count in counts)} |"
    yield ""
    yield from _leaks(data["leaks"], ours["split"], words)
    yield f"- {words['digest']}`{data['sha256']}`"


def _leaks(leaks: dict[str, int], split: dict[str, Any], words: dict[str, str]) -> Iterator[str]:
    if leaks:
        found = words["between"].join(f"{words[kind]} {count}" for kind, count in leaks.items())
        yield f"- {words['leaks'].format(found=found)}"
    else:
        yield f"- {words['apart'].format(seed=split['seed'])}"


def _results(metadata: dict[str, Any], words: dict[str, str], language: str) -> Iterator[str]:
    ours = metadata["workbench"]
    if ours.get("origin"):
        yield words["not measured"]
        yield ""
        for name, value in metadata["eval_metrics"].items():
            yield f"- {_line(str(name))}: {_line(str(value))}"
        return
    groups = list(_groups(ours["results"], words))
    measures = list(next(iter(ours["results"].values()))["metrics"])
    yield from _table([words["on"], words["cases"], words["patients"], *(measure_name(each, language) for each in measures)])
    for title, found in groups:
        cells = " | ".join(_interval(found["metrics"].get(each)) for each in measures)
        yield f"| {title} | {found['n_cases']:,} | {found['n_patients']:,} | {cells} |"
    yield ""
    yield words["intervals"] if "test" in ours["results"] else words["no test"]
    threshold, classes = ours["recipe"]["threshold"], ours["recipe"]["classes"]
    if threshold is not None:
        yield ""
        boxes = ours["results"].get("test", ours["results"]["validation"]).get("n_boxes")
        yield words["threshold" if boxes is None else "found"].format(label=_line(classes[1]), threshold=threshold, boxes=boxes)


def _groups(results: dict[str, Any], words: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the test cases first, then their groups, then what was used to choose."""
    for part in sorted(results, key=("test", "validation").index):
        yield f"**{words[part]}**" if part == "test" else words[part], results[part]
        for name in ("scanner", "verdict"):
            for group, each in results[part].get(f"by_{name}", {}).items():
                yield f"{words[part]}, {words[name]} {_line(group)}", each


def _model(metadata: dict[str, Any], parameters: int, words: dict[str, str]) -> Iterator[str]:
    ours = metadata["workbench"]
    yield f"- {words['network'].format(name=ours['recipe']['network']['name'], parameters=f'{parameters:,}')}"
    yield f"- {words['input']}{_prepared(ours['recipe'], words)}"
    if origin := ours.get("origin"):
        yield f"- {words['origin'].format(sha256=origin['sha256'])}"
        if origin["left_out"]:
            yield f"- {words['left out'].format(files=words['between'].join(map(_line, origin['left_out'])))}"
    else:
        yield f"- {words['epochs'].format(best=ours['best_epoch'], epochs=len(ours['history']))}"
        if ours["initial_sha256"]:
            yield f"- {words['initial'].format(sha256=ours['initial_sha256'])}"
    yield f"- {words['versions'].format(monai=_line(metadata['monai_version']), torch=_line(metadata['pytorch_version']))}"


def _prepared(recipe: dict[str, Any], words: dict[str, str]) -> str:
    """Return what is done to an image before the network sees it."""
    transforms = recipe["transforms"]
    said = [words["channels"].format(channels=recipe["channels"])]
    if recipe.get("modalities"):
        said.append(words["modalities"].format(names=" / ".join(recipe["modalities"])))
    if transforms["spacing_mm"]:
        said.append(words["spacing"].format(spacing=" x ".join(f"{each:g}" for each in transforms["spacing_mm"])))
    for name in ("size", "patch"):
        if transforms[name]:
            said.append(words[name].format(shape=" x ".join(map(str, transforms[name]))))
    for name in ("window_hu", "value_range"):
        if transforms[name]:
            said.append(words[name].format(low=transforms[name][0], high=transforms[name][1]))
    if not (transforms["window_hu"] or transforms["value_range"]):
        said.append(words["standardised"] + (words["nonzero"] if transforms.get("nonzero") else ""))
    if transforms.get("rescale"):
        said.append(words["rescaled"].format(low=transforms["rescale"][0], high=transforms["rescale"][1]))
    return words["between clauses"].join(said)


def _table(titles: list[str]) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"


def _interval(found: dict[str, float | None] | None) -> str:
    if not found or found["value"] is None:
        return "-"
    interval = "" if found["low"] is None else f" ({found['low']:.3f}-{found['high']:.3f})"
    return f"{found['value']:.3f}{interval}"


def measure_name(measure: str, language: str) -> str:
    """Return what a measure is called.

    Parameters
    ----------
    measure : str
        As in the results; the class that it is of stands behind it (dice anterior).
    language : str
        zh or en.

    Examples
    --------
    >>> measure_name("sensitivity", "zh"), measure_name("dice anterior", "en")
    ('灵敏度', 'Dice anterior')
    """
    first, _, rest = measure.partition(" ")
    return _line(f"{NAMES[language].get(first, first)} {rest}".strip())


def _line(text: str) -> str:
    """Return text that is one line, stays within its cell and is no markup."""
    text = " ".join(text.split()).replace("|", "/")
    return text.replace("<", "&lt;").replace("`", "'").replace("](", "] (")
