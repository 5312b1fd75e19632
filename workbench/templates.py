"""Analysis templates: parameterised notebooks as text, run cell by cell, whose output is a report that can be requested.

A template is a py:percent file without a header. Its first cell is markdown whose first line is the title; its first code cell is
tagged ``parameters`` and holds one ``name: type = default  # what it is`` a line. One of them is ``out``, the folder it writes to:
a run gives it one of its own, and what lies there afterwards is published together, or not at all. The working folder is that of
the command, so that paths mean what they mean to who typed them. The executed notebook holds person-level output and stays in the
session's home.
"""

from __future__ import annotations

import ast
import difflib
import io
import os
import shutil
import tempfile
import tokenize
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jupytext
import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from imaging import errors as imaging_errors
from nlp import errors as nlp_errors
from workbench import errors, session
from workbench.errors import DataError, DefinitionError, EnvironmentFault, WorkbenchError
from workbench.locale import get_language

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbformat import NotebookNode

    from imaging.errors import ImagingError
    from nlp.errors import NlpError

__all__ = [
    "FOLDER",
    "OUT",
    "Parameter",
    "Template",
    "TemplateRun",
    "check_values",
    "list_templates",
    "open_template",
    "parse_value",
    "run_template",
]

#: Where the templates of this distribution lie.
FOLDER = Path(__file__).resolve().parents[1] / "templates"

#: The parameter that a run fills itself.
OUT = "out"

_KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
_READERS = {"int": int, "float": float, "str": str}
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_EXAMPLES = {"int": "30", "float": "6.5", "str": "E11", "bool": "true", "list[str]": "E11,E14", "list[int]": "0,24", "list[float]": "6.5,7"}


@dataclass(frozen=True)
class Parameter:
    """One value that a template asks for.

    Parameters
    ----------
    name : str
        Its name.
    type : str
        ``int``, ``float``, ``str``, ``bool`` or ``list[...]`` of the first three.
    default : int, float, str, bool or list
        Taken where nothing is given.
    help : str
        What it is, as its line says.
    """

    name: str
    type: str
    default: Any
    help: str


@dataclass(frozen=True)
class Template:
    """A template, read and checked.

    Parameters
    ----------
    name : str
        File name without its ending.
    path : Path
        The file.
    title : str
        First line of the first cell.
    summary : str
        The paragraph after it.
    parameters : tuple of Parameter
        In the order of the file.
    """

    name: str
    path: Path
    title: str
    summary: str
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class TemplateRun:
    """What a run left.

    Parameters
    ----------
    folder : Path
        The output folder.
    files : tuple of Path
        What the template wrote there.
    notebook : Path or None
        The executed notebook in the session's home, where it was kept.
    """

    folder: Path
    files: tuple[Path, ...]
    notebook: Path | None


def list_templates(folder: Path = FOLDER) -> tuple[Template, ...]:
    """Read every template of a folder, by name.

    Raises
    ------
    DefinitionError
        If one breaks the form that this module's text describes.
    """
    return tuple(_read(path) for path in sorted(folder.glob("*.py")))


def open_template(name: str, folder: Path = FOLDER) -> Template:
    """Open a template by name, or one's own by the path of its ``.py`` file.

    Raises
    ------
    DefinitionError
        If there is none, or it breaks the form.
    """
    own = Path(name)
    if own.suffix == ".py":
        if not own.is_file():
            raise DefinitionError(f"there is no template file {own}")
        return _read(own)
    known = {path.stem: path for path in folder.glob("*.py")}
    if name not in known:
        raise DefinitionError(f"there is no template {name!r}", hint=_nearest(name, sorted(known), "workbench template list"))
    return _read(known[name])


def check_values(template: Template, given: Mapping[str, str]) -> dict[str, Any]:
    """Turn texts given for parameters into values of their types.

    Parameters
    ----------
    template : Template
        Declares the parameters.
    given : mapping of str to str
        Texts by parameter name, as on the command line.

    Returns
    -------
    dict of str to value
        Only those given.

    Raises
    ------
    DefinitionError
        If a name is unknown (the nearest is named) or the run's own, or a text is not of the parameter's type.
    """
    declared = {parameter.name: parameter for parameter in template.parameters}
    for name in given:
        if name == OUT:
            raise DefinitionError(f"{OUT} is filled by the run", hint="say the output folder with --out")
        if name not in declared:
            raise DefinitionError(
                f"template {template.name} has no parameter {name!r}",
                hint=_nearest(name, list(declared), f"workbench template show {template.name}"),
            )
    return {name: parse_value(declared[name], text) for name, text in given.items()}


def parse_value(parameter: Parameter, text: str) -> Any:
    """Read a text as the type of a parameter; lists are separated by commas.

    Raises
    ------
    DefinitionError
        If it is not of that type.

    Examples
    --------
    >>> parse_value(Parameter("codes", "list[str]", [], ""), "E11, E14")
    ['E11', 'E14']
    """
    try:
        if parameter.type.startswith("list["):
            read = _READERS[parameter.type[5:-1]]
            return [read(part.strip()) for part in text.split(",") if part.strip()]
        return _TRUTHS[text.lower()] if parameter.type == "bool" else _READERS[parameter.type](text)
    except (ValueError, KeyError):
        raise DefinitionError(
            f"parameter {parameter.name} is {text!r}; wanted {parameter.type} ({parameter.help})",
            hint=f"as in -p {parameter.name}={_EXAMPLES[parameter.type]}",
        ) from None


def run_template(
    template: Template,
    values: Mapping[str, Any],
    out: Path,
    *,
    force: bool = False,
    keep_notebook: bool = False,
    home: Path | None = None,
    progress: bool = True,
) -> TemplateRun:
    """Run a template and publish what it wrote.

    Parameters
    ----------
    template : Template
        What to run.
    values : mapping of str to value
        As :func:`check_values` returns them; defaults for the rest.
    out : Path
        Output folder. It appears complete, when the last cell has run.
    force : bool
        Replace an output folder that is there.
    keep_notebook : bool
        Keep the executed notebook in the session's home; it is always kept when a cell fails.
    home : Path, optional
        Where notebooks are kept; the session's home, outside a session the user's, where None.
    progress : bool
        Show a bar on stderr.

    Returns
    -------
    TemplateRun

    Raises
    ------
    DefinitionError
        If the template has no parameter ``out``.
    DataError
        If `out` is there and `force` is not given, or the template wrote nothing.
    WorkbenchError, NlpError or ImagingError
        If a cell fails: of the kind that it raised, naming the cell.
    EnvironmentFault
        If no kernel can be started.
    """
    if all(parameter.name != OUT for parameter in template.parameters):
        raise DefinitionError(
            f"template {template.name} does not ask where to write",
            hint=f'add the parameter {OUT}: str = "report"  # folder of the report, and end with report.write({OUT})',
        )
    out = out.absolute()
    if out.exists() and not force:
        raise DataError(f"{out} is there already", hint="name another folder, or add --force to replace it")
    out.parent.mkdir(parents=True, exist_ok=True)
    with _staging(out) as staging:
        notebook = _notebook(template)
        try:
            executed = _execute(notebook, values, staging, progress=progress)
        except PapermillExecutionError as error:
            kept = _keep(getattr(error, "notebook", None) or _partial(staging), template, home)
            raise _explain(error, template, notebook, kept) from None
        kept = _keep(executed, template, home) if keep_notebook else None
        (staging / _EXECUTED).unlink(missing_ok=True)
        if not any(staging.iterdir()):
            raise DataError(f"template {template.name} wrote nothing", hint="a template ends with report.write(out)")
        _publish(staging, out)
    return TemplateRun(out, tuple(sorted(path for path in out.rglob("*") if path.is_file())), kept)


# Reading --------------------------------------------------------------------------------------------------------------


def _read(path: Path) -> Template:
    notebook = _parse(path)
    title, _, rest = notebook.cells[0].source.partition("\n")
    summary = rest.strip().split("\n\n")[0].replace("\n", " ") if rest.strip() else ""
    return Template(path.stem, path, title.lstrip("# ").strip(), summary, _parameters(path, notebook.cells[1].source))


def _parse(path: Path) -> NotebookNode:
    """Read a template as a notebook and check its first two cells."""
    try:
        notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(f"template {path} cannot be read: {error}") from error
    cells = notebook.cells
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
        raise DefinitionError(f"template {path.name} does not begin with a markdown cell whose first line is '# title'")
    if len(cells) < 2 or cells[1].cell_type != "code" or "parameters" not in cells[1].metadata.get("tags", []):
        raise DefinitionError(
            f"the second cell of template {path.name} is not a code cell tagged parameters", hint='write # %% tags=["parameters"]'
        )
    return notebook


def _parameters(path: Path, source: str) -> tuple[Parameter, ...]:
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = []
    for node in ast.parse(source).body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.value is None:
            raise DefinitionError(f"line {node.lineno} of the parameters of {path.name} is not 'name: type = default  # what it is'")
        kind = ast.unparse(node.annotation)
        if kind not in _EXAMPLES:
            raise DefinitionError(f"parameter {node.target.id} of {path.name} is of type {kind}; wanted one of {', '.join(_EXAMPLES)}")
        found.append(Parameter(node.target.id, kind, ast.literal_eval(node.value), comments.get(node.end_lineno or node.lineno, "")))
    return tuple(found)


def _nearest(name: str, known: Sequence[str], otherwise: str) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"see: {otherwise}"


# Running --------------------------------------------------------------------------------------------------------------

_EXECUTED = ".executed.ipynb"


def _notebook(template: Template) -> NotebookNode:
    notebook = _parse(template.path)
    notebook.metadata["kernelspec"] = _KERNEL
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def _execute(notebook: NotebookNode, values: Mapping[str, Any], folder: Path, *, progress: bool) -> NotebookNode:
    """Run the cells in a kernel of its own that talks over sockets in a private folder, not over the network."""
    with tempfile.TemporaryDirectory(prefix="wb-") as sockets, _language_inherited():
        config = Config({"KernelManager": {"transport": "ipc", "connection_file": f"{sockets}/kernel.json"}})
        try:
            return papermill.execute_notebook(
                notebook,
                str(folder / _EXECUTED),
                parameters={**values, OUT: str(folder)},
                kernel_name=_KERNEL["name"],
                progress_bar=progress,
                log_output=False,
                config=config,
            )
        except (RuntimeError, OSError) as error:
            raise EnvironmentFault(
                f"the notebook kernel did not start or died ({type(error).__name__})",
                hint="is memory short? else: python -m ipykernel install --user",
            ) from error


@contextmanager
def _language_inherited() -> Iterator[None]:
    """Let the kernel speak the language that this process speaks."""
    before = os.environ.get("WORKBENCH_LANG")
    os.environ["WORKBENCH_LANG"] = get_language()
    try:
        yield
    finally:
        if before is None:
            del os.environ["WORKBENCH_LANG"]
        else:
            os.environ["WORKBENCH_LANG"] = before


def _partial(folder: Path) -> NotebookNode | None:
    path = folder / _EXECUTED
    return nbformat.read(path, as_version=4) if path.is_file() else None


def _explain(
    error: PapermillExecutionError, template: Template, notebook: NotebookNode, kept: Path | None
) -> WorkbenchError | NlpError | ImagingError:
    """Make the failure of a cell an error of the kind that it raised; other exceptions may hold values, so only their kind is told."""
    kind = next((found for found in _error_kinds() if found.__name__ == error.ename), None)
    where = f"cell {_cell_number(error, notebook)} of template {template.name} stopped"
    looked = f"the notebook up to there: {kept}" if kept else ""
    if kind is None:
        return WorkbenchError(f"{where}: {error.ename}", hint=looked)
    message, _, hint = str(error.evalue).partition("\n  -> ")
    return kind(f"{where}: {message}", hint=". ".join(filter(None, [hint, looked])))


def _error_kinds() -> list[type[WorkbenchError | NlpError | ImagingError]]:
    named = [getattr(module, name) for module in (errors, nlp_errors, imaging_errors) for name in module.__all__]
    bases = WorkbenchError | nlp_errors.NlpError | imaging_errors.ImagingError
    return [kind for kind in named if isinstance(kind, type) and issubclass(kind, bases)]


def _cell_number(error: PapermillExecutionError, notebook: NotebookNode) -> str:
    """Find the failed cell in the template, counted from 1, with the heading it stands under."""
    heading = ""
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            heading = next((line.lstrip("# ").strip() for line in cell.source.splitlines() if line.startswith("#")), heading)
        elif cell.source == error.source:
            return f"{number} ({heading})" if heading else str(number)
    return str(error.cell_index)


def _keep(notebook: NotebookNode | None, template: Template, home: Path | None) -> Path | None:
    """Write an executed notebook into the session's home, readable by its owner alone."""
    if notebook is None:
        return None
    folder = (home or (session.current().home.path if session.in_session() else Path.home())) / "template-runs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{template.name}-{datetime.now():%Y%m%d-%H%M%S}.ipynb"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        nbformat.write(notebook, file)
    return path


@contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """Give a folder beside the output folder, on the same file system; it is gone afterwards whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(staging: Path, out: Path) -> None:
    """Rename the finished folder into place; one that is there steps aside first and comes back if that fails."""
    staging.chmod(0o755)
    aside = out.with_name(f".{out.name}-replaced-{os.getpid()}")
    if out.exists():
        out.rename(aside)
    try:
        staging.rename(out)
    except OSError:
        if aside.exists():
            aside.rename(out)
        raise
    shutil.rmtree(aside, ignore_errors=True)
