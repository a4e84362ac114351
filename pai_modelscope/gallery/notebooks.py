"""Notebooks as pages: rendered by nbconvert, their figures in files of their own, their text for the search."""

import base64
import binascii
import html
import io
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from PIL import Image, UnidentifiedImageError

from pai_modelscope.errors import UserError, reason

PAIR_TAG = "before-after"
MADE_BY_PAPERMILL = {"injected-parameters", "papermill-error-cell-tag"}  # cells that are in no source
_PICTURES = ("image/png", "image/jpeg")
_WIDGET = "application/vnd.jupyter.widget-view+json"  # progress bars, which need a running kernel
_REMOTE_PICTURE = re.compile(r"!\[([^\]]*)\]\(https?://[^)]*\)")
_WIDEST = 1200  # pixels of a figure: twice the width of the column, for fine screens


@dataclass
class Section:
    """A heading of the notebook and all text under it, as the search finds it; `anchor` is its cell on the page."""

    title: str
    anchor: str
    text: str = ""


@dataclass
class Pair:
    """Before and after, from a cell that is tagged so."""

    caption: str
    pictures: list[Image.Image]
    anchor: str


@dataclass
class Notebook:
    """One notebook: the source that readers download, and what its executed copy shows.

    `state`: empty where the outputs belong to the source, else why not.
    """

    source: Path
    title: str
    subtitle: str
    state: str
    cells: NotebookNode
    sections: list[Section] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    figures: list[Image.Image] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.source.stem


def read_notebooks(sources: Path, executed: Path) -> list[Notebook]:
    """Read the notebooks of a folder, each with the outputs of its namesake in `executed`.

    One warning names those without.

    Raises `UserError` if there are none, or one cannot be read.
    """
    paths = sorted(sources.glob("*.ipynb"))
    if not paths:
        raise UserError(f"{sources} holds no notebook: name the folder of notebooks with --sources")
    notebooks = [_notebook(path, executed / path.name) for path in paths]
    lacking = [f"{notebook.name} ({notebook.state})" for notebook in notebooks if notebook.state]
    if lacking:
        warnings.warn(f"{len(lacking)} notebooks lack outputs of this version: {', '.join(lacking)}", stacklevel=2)
    return notebooks


def _notebook(source: Path, executed: Path) -> Notebook:
    original = _read(source)
    ran = executed.is_file()
    content = _read(executed) if ran else original
    state = _state(original, content) if ran else "not executed"
    cells = [cell for cell in content.cells if not MADE_BY_PAPERMILL & set(cell.metadata.get("tags", []))]
    for number, cell in enumerate(cells):
        cell.id = f"c{number:02d}"
        if cell.cell_type == "markdown":  # badges: their links stay, their pictures would be asked of the network
            cell.source = _REMOTE_PICTURE.sub(r"\1", cell.source)
    content.cells = cells
    content.metadata.pop("widgets", None)
    lines = [line for line in cells[0].source.splitlines() if line.strip()] if cells else []
    if len(lines) < 2 or not lines[0].startswith("# "):
        raise UserError(f"{source} does not begin with a title and a line under it: write both into its first cell")
    notebook = Notebook(source, lines[0][2:], lines[1].strip("*"), state, content)
    _take_sections(notebook)
    _take_pictures(notebook)
    return notebook


def _read(path: Path) -> NotebookNode:
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        return notebook
    except Exception as error:  # nbformat raises errors of many kinds
        raise UserError(f"{path} cannot be read as a notebook ({reason(error)}): make it again") from None


def _state(original: NotebookNode, ran: NotebookNode) -> str:
    """Empty where the outputs of a copy that ran belong to the source, else why not."""
    outputs = [output for cell in ran.cells for output in cell.get("outputs", [])]
    if any(output.output_type == "error" for output in outputs):
        return "stopped on an error"
    written = [c.source for c in ran.cells if not MADE_BY_PAPERMILL & set(c.metadata.get("tags", []))]
    return "" if written == [cell.source for cell in original.cells] else "executed in another version"


def _take_sections(notebook: Notebook) -> None:
    """Cut the text at its headings of the second level; what comes before them stands under the title."""
    sections = [Section(notebook.title, notebook.cells.cells[0].id)]
    for cell in notebook.cells.cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and line.startswith("## "):
                sections.append(Section(line[3:].strip(), cell.id))
            elif not line.startswith("# " if cell.cell_type == "markdown" else "%%"):
                sections[-1].text += line + "\n"
    for section in sections:
        section.text = " ".join(section.text.replace("**", "").replace("`", "").split())
    notebook.sections = sections


def _take_pictures(notebook: Notebook) -> None:
    """Move figures out of the outputs: a tagged cell's two become a pair; the page refers to them by number."""
    for cell in notebook.cells.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs = [output for output in cell.outputs if not _noise(output)]
        outputs = [output for output in cell.outputs if _picture_of(output)]
        pictures = [_decoded(output, notebook) for output in outputs]
        if PAIR_TAG in cell.metadata.get("tags", []) and len(pictures) == 2:
            caption = "".join(output.text for output in cell.outputs if output.output_type == "stream").strip()
            notebook.pairs.append(Pair(caption or notebook.title, pictures, cell.id))
            cell.outputs = [_html(f"pair:{len(notebook.pairs) - 1}")]
            continue
        if PAIR_TAG in cell.metadata.get("tags", []) and not notebook.state:
            warnings.warn(
                f"{notebook.name}: a cell tagged {PAIR_TAG} shows {len(pictures)} pictures, and two are needed",
                stacklevel=2,
            )
        for output, picture in zip(outputs, pictures, strict=True):
            notebook.figures.append(picture)
            data = {"text/html": _placeholder(f"figure:{len(notebook.figures) - 1}")}
            output.data = nbformat.from_dict(data)  # type: ignore[no-untyped-call]


def _noise(output: NotebookNode) -> bool:
    """Progress bars: they tell nothing once the run is over."""
    return _WIDGET in output.get("data", {}) or (output.output_type == "stream" and output.name == "stderr")


def _picture_of(output: NotebookNode) -> str:
    return next((output.data[kind] for kind in _PICTURES if kind in output.get("data", {})), "")


def _decoded(output: NotebookNode, notebook: Notebook) -> Image.Image:
    try:
        with Image.open(io.BytesIO(base64.b64decode(_picture_of(output)))) as file:
            picture = file.convert("RGB")
    except (binascii.Error, UnidentifiedImageError, OSError) as error:
        raise UserError(f"{notebook.name}: a figure cannot be read ({reason(error)}): run the notebook again") from None
    picture.thumbnail((_WIDEST, 4 * _WIDEST), Image.Resampling.LANCZOS)
    return picture


def _html(place: str) -> NotebookNode:
    data = {"text/html": _placeholder(place)}
    output: NotebookNode = nbformat.v4.new_output("display_data", data)  # type: ignore[no-untyped-call]
    return output


def _placeholder(place: str) -> str:
    return f"<!--{place}-->"


def render(notebook: Notebook, figures: list[str], pairs: list[str]) -> str:
    """Render the body of the page; `figures` and `pairs` are the HTML that stands in their places.

    nbconvert's template `basic` is used, for it is the one that brings no script, no style and no address along.
    """
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True, exclude_anchor_links=True
    )
    body, _ = exporter.from_notebook_node(notebook.cells)
    body = body.replace('id="cell-id=', 'id="')
    parts = {"figure": figures, "pair": pairs}
    return re.sub(r"<!--(figure|pair):(\d+)-->", lambda place: parts[place[1]][int(place[2])], body)


def alternative(notebook: Notebook, number: int) -> str:
    """What is read out in place of a figure."""
    return html.escape(f"《{notebook.title}》的第 {number + 1} 幅图")
