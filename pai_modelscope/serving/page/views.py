"""What the page shows of jobs, as HTML; every text of a user is escaped."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from pai_modelscope.serving.apis.common import link
from pai_modelscope.serving.page.words import Words
from pai_modelscope.serving.store import Job

if TYPE_CHECKING:
    from pai_modelscope.sampling.prompt_check import PromptCheck
    from pai_modelscope.serving.service import Service


def pictures(service: "Service", job: Job, words: Words) -> str:
    """A job's pictures, each with its seed and a link that saves it."""
    shown = []
    for number, drawn in enumerate(job.pictures):
        address, prompt = escape(link(service, job, number)), escape(drawn["prompt"], quote=True)
        name = f"{job.id[:8]}-{number}.{job.format}"
        flagged = f" · {words('flagged')}" if drawn["flagged"] else ""
        shown.append(
            f'<figure><a href="{address}" target="_blank"><img src="{address}" alt="{prompt}" '
            f'width="{drawn["width"]}" height="{drawn["height"]}"></a>'
            f"<figcaption>{drawn['seed']}{flagged} · "
            f'<a href="{address}" download="{name}">{words("download")}</a></figcaption></figure>'
        )
    return f'<div class="pictures">{"".join(shown)}</div>'


def preview(content: bytes | None) -> str:
    if content is None:
        return ""
    image = f'<img class="preview" alt="" src="{_data_url(content)}">'
    return f'<div class="pictures"><figure>{image}</figure></div>'


def line(text: str, kind: str = "", share: float | None = None) -> str:
    """One line that says how it stands, with a bar where there is something to measure."""
    bar = "" if share is None else f'<progress max="1" value="{share:.3f}"></progress>'
    return f'<div class="state {kind}" role="status">{escape(text)}{bar}</div>'


def history(service: "Service", jobs: Sequence[Job], words: Words) -> str:
    """Jobs as buttons with their first picture; a click tells the job's id."""
    shown = []
    for job in jobs:
        prompt = escape(str(job.request.get("prompt", ""))[:200], quote=True)
        image = f'<img loading="lazy" src="{escape(link(service, job, 0))}" alt="{prompt}">'
        more = f"<b>{len(job.pictures)}</b>" if len(job.pictures) > 1 else ""
        shown.append(_button(job.id, prompt, image + more))
    return f'<div class="tiles">{"".join(shown) or words("nothing_found")}</div>'


def adapters(loras: Mapping[str, bytes | None], embeddings: Sequence[str], words: Words) -> str:
    """LoRAs, with their pictures where they have some, and words of embeddings, as buttons."""
    shown = []
    for name, thumbnail in loras.items():
        said = escape(name, quote=True)
        image = f'<img alt="" src="{_data_url(thumbnail)}">' if thumbnail else "<i></i>"
        shown.append(_button(f"lora:{said}", said, image))
    for word in embeddings:
        said = escape(word, quote=True)
        shown.append(_button(f"word:{said}", said, "<i></i>"))
    return f'<div class="tiles small">{"".join(shown)}</div>' if shown else ""


def grid(
    service: "Service",
    rows: Sequence[tuple[str, Sequence[Job]]],
    columns: Sequence[str],
    words: Words,
) -> str:
    """A table of pictures: a prompt a row, a seed and a weight a column."""
    head = "".join(f"<th>{escape(each)}</th>" for each in columns)
    body = []
    for prompt, jobs in rows:
        cells = "".join(f"<td>{_cell(service, job)}</td>" for job in jobs)
        body.append(f"<tr><th>{escape(prompt)}</th>{cells}</tr>")
    table = f"<thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
    return f'<div class="grid"><table>{table}</table></div>'


def _button(value: str, title: str, image: str) -> str:
    """All of it is HTML."""
    return f'<button type="button" data-value="{value}" title="{title}">{image}<span>{title}</span></button>'


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _cell(service: "Service", job: Job) -> str:
    if job.pictures:
        address = escape(link(service, job, 0))
        return f'<a href="{address}" target="_blank"><img src="{address}" alt="{job.pictures[0]["seed"]}"></a>'
    return escape(job.error or job.state) if job.state.ended else "<i></i>"


def findings(check: "PromptCheck | None", words: Words) -> str:
    """What the model will not make of a prompt."""
    if check is None or not check.prompt.strip():
        return ""
    said = []
    if check.unknown:
        said.append(words("unknown_characters", "、".join(check.unknown)))
    if check.unlearned:
        said.append(words("unlearned", "、".join(word.text for word in check.unlearned)))
    if check.read_past:
        said.append(words("read_past", "、".join(check.read_past)))
    if len(check.chunks) > 1:
        said.append(words("chunks", len(check.chunks)))
    return line(" · ".join(said), "warning") if said else line(words("fine"), "fine")
