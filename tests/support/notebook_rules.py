"""What every notebook of the suite has in common, as a list of what is wrong with one."""

import ast
import re
from collections.abc import Iterator
from typing import Any

FIRST, LAST = ["简介", "费用与资源说明", "准备工作"], ["结果与检验", "延伸"]
PARAMETERS = {"MODEL", "SEED", "FAST", "DEVICE"}
TRAINING_PARAMETERS = {"STEPS", "OUTPUT"}
BADGES = ["gallery.pai-ml.com/#/import/", "modelscope.cn/my/mynotebook", "colab.research.google.com/github/"]
INSTALL = 'importlib.util.find_spec("pai_modelscope") is None'
METADATA = {"kernelspec", "language_info"}
LONGEST_CELL, LONGEST_FUNCTION = 30, 40  # lines: a screen
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def of_kind(notebook: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def tagged(notebook: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    return [cell for cell in of_kind(notebook, "code") if tag in cell["metadata"].get("tags", [])]


def problems(notebook: dict[str, Any]) -> list[str]:
    """One line for each rule that the notebook breaks; none for a notebook that may be committed."""
    rules = (metadata, outputs, first_cell, sections, parameters, cells, figures, ending, pairs)
    return [f"{rule.__name__}: {problem}" for rule in rules for problem in rule(notebook)]


def metadata(notebook: dict[str, Any]) -> Iterator[str]:
    if notebook["metadata"].keys() != METADATA:
        yield f"only {sorted(METADATA)} belong here, widgets' state least of all"
    elif notebook["metadata"]["kernelspec"]["name"] != "python3":
        yield "the kernel is not python3"


def outputs(notebook: dict[str, Any]) -> Iterator[str]:
    for cell in of_kind(notebook, "code"):
        if cell["outputs"] or cell["execution_count"] is not None:
            yield f"{cell['id']} was committed after it ran"


def first_cell(notebook: dict[str, Any]) -> Iterator[str]:
    title, subtitle, badges, heading, *_ = [*filter(None, text(notebook["cells"][0]).splitlines()), "", "", "", ""]
    if not (title.startswith("# ") and CHINESE.search(title)):
        yield "no Chinese title"
    if not re.fullmatch(r"\*[\x20-\x7e]+\*", subtitle):
        yield "no English line under the title"
    places = [badges.find(place) for place in BADGES]
    if -1 in places or places != sorted(places):
        yield f"no badges of {', '.join(BADGES)} in this order"
    if heading != f"## {FIRST[0]}":
        yield f"{FIRST[0]} does not follow the badges"


def sections(notebook: dict[str, Any]) -> Iterator[str]:
    prose = of_kind(notebook, "markdown")
    found = re.findall(r"^## (.+)$", "\n".join(map(text, prose)), flags=re.MULTILINE)
    if found[: len(FIRST)] != FIRST or found[-len(LAST) :] != LAST:
        yield f"{found} do not begin with {FIRST} and end with {LAST}"
    if len(found) <= len(FIRST) + len(LAST):
        yield "there is no section between them"
    if not all(CHINESE.search(text(cell)) for cell in prose):
        yield "a cell of text is not Chinese"


def parameters(notebook: dict[str, Any]) -> Iterator[str]:
    found, code = tagged(notebook, "parameters"), [text(cell) for cell in of_kind(notebook, "code")]
    if len(found) != 1 or INSTALL not in code[0] or code[1] != text(found[0]):
        yield "the code does not begin with the guarded installation and the one cell of parameters"
        return
    names = {node.targets[0].id for node in ast.parse(text(found[0])).body}  # type: ignore[attr-defined]
    trains = any(re.search(r"\bfine_tune\(", cell) for cell in code)
    missing = (PARAMETERS | TRAINING_PARAMETERS if trains else PARAMETERS) - names
    missing |= {"OUTPUT"} - names if any("OUTPUT" in cell for cell in code) else set()
    if missing:
        yield f"the parameters lack {sorted(missing)}"
    if "FAST = False" not in text(found[0]):
        yield "a reader runs it in full: FAST = False; the tests set it"


def cells(notebook: dict[str, Any]) -> Iterator[str]:
    for cell in of_kind(notebook, "code"):
        if len(text(cell).splitlines()) > LONGEST_CELL:
            yield f"{cell['id']} is longer than {LONGEST_CELL} lines"
        for node in ast.walk(ast.parse(text(cell))):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION:
                yield f"{node.name} is longer than {LONGEST_FUNCTION} lines"
    if not any("pai_modelscope" in text(cell) for cell in of_kind(notebook, "code")[1:]):
        yield "nothing of the package is called"


def figures(notebook: dict[str, Any]) -> Iterator[str]:
    found, code = tagged(notebook, "figures"), of_kind(notebook, "code")
    if len(found) != 1 or found[0] is not code[-2]:
        yield "not one cell of figures, just before the one of assertions"
        return
    last = ast.parse(text(found[0])).body[-1]
    keys = last.value.keys if isinstance(last, ast.Expr) and isinstance(last.value, ast.Dict) else []
    if not keys or not all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in keys):
        yield "the cell of figures does not end on a dict with names"


def ending(notebook: dict[str, Any]) -> Iterator[str]:
    if notebook["cells"][-1]["cell_type"] != "markdown" or f"## {LAST[-1]}" not in text(notebook["cells"][-1]):
        yield f"{LAST[-1]} is not the last cell"
    body = ast.parse(text(of_kind(notebook, "code")[-1])).body
    if not all(isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant) for node in body):
        yield "the last code is not of assertions that can fail"


def pairs(notebook: dict[str, Any]) -> Iterator[str]:
    for cell in tagged(notebook, "before-after"):
        if text(cell).count("display(") != 2 or text(cell).count("print(") != 1:
            yield f"{cell['id']} does not display two pictures and print a line"


def pairs_shown(executed: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the pictures before and after of a notebook that ran."""
    for cell in tagged(executed, "before-after"):
        kinds = [out["output_type"] for out in cell["outputs"]]
        if kinds.count("display_data") != 2 or kinds.count("stream") != 1 or len(kinds) != 3:
            yield f"before and after: {kinds}"
