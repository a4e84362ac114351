"""The page's components, and what happens when they are used."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar

import anyio.to_thread
import gradio as gr
from fastapi import Request

from pai_modelscope.config.generation import GENERATION_FALLBACKS
from pai_modelscope.errors import UserError
from pai_modelscope.serving.apis.common import REFUSALS, client_of, ended, link, refusal, unended
from pai_modelscope.serving.page import snippets, views
from pai_modelscope.serving.page.following import all_ended, follow, new_key
from pai_modelscope.serving.page.following import unended as unended_of
from pai_modelscope.serving.page.form import FIELDS, Form, Mode, form_of, request_of
from pai_modelscope.serving.page.thumbnails import thumbnails
from pai_modelscope.serving.page.words import Language, Words
from pai_modelscope.serving.store import Job, State

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

_LOOK = 60.0  # seconds
_MOST_CELLS = 36
_SHOWN = 60  # jobs of the history
_MODES: tuple[Mode, ...] = ("text", "picture", "mask", "control")
# A click on a button of ours tells the value that it carries.
_TELL = """element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-value]');
  if (button) trigger('select', {value: button.dataset.value});
});"""
_KEYS = """<script>document.addEventListener('keydown', (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === 'Enter') {
    event.preventDefault(); document.activeElement?.blur?.();
    setTimeout(() => document.getElementById('draw')?.click(), 150);
  }
});</script>"""
_EDITOR: dict[str, object] = {
    "type": "filepath",
    "sources": ["upload", "clipboard"],
    "format": "png",
    "layers": False,
    "transforms": (),
    "height": 420,
}  # of pictures that are painted upon
_FONTS = ("system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", "sans-serif")
STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
THEME = gr.themes.Soft(font=_FONTS, font_mono=("ui-monospace", "Consolas", "monospace"))
HEAD = _KEYS

Values = tuple[object, ...]
Field = TypeVar("Field", bound=gr.components.Component)


class _Quiet(TypedDict):
    show_progress: Literal["hidden"]
    api_visibility: Literal["private"]
    concurrency_limit: None


# For what happens often: no spinner over what is shown, no entry in the API, as many at once as ask.
_QUIET: _Quiet = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}


class Layout:
    """The page in one language, over one service."""

    def __init__(self, service: "Service", language: Language):
        self._service, self._words = service, Words(language)
        self._fields: dict[str, gr.components.Component] = {}

    def blocks(self) -> gr.Blocks:
        words = self._words
        blocks: gr.Blocks
        kept = (3600, 24 * 3600)  # seconds between looks at uploaded files, and that they stay
        with gr.Blocks(title=words("title"), analytics_enabled=False, fill_width=True, delete_cache=kept) as blocks:
            gr.Markdown(f"## {words('title')}　<small>{words('other_language')}</small>", elem_id="title")
            with gr.Tabs() as tabs:
                with gr.Tab(words("draw_tab"), id="draw"):
                    show = self._drawing()
                with gr.Tab(words("restore"), id="restore"):
                    self._restoring()
                with gr.Tab(words("history"), id="history") as history:
                    self._history(tabs, history)
                with gr.Tab(words("grid"), id="grid"):
                    self._grid()
            blocks.load(self._resume, None, show, **_QUIET)
            gr.api(self._draw_for_programs, api_name="draw", concurrency_limit=None)
        return blocks

    # The page Draw

    def _drawing(self) -> list[gr.HTML]:
        """The components that show how it stands."""
        words, field = self._words, self._field
        mode = gr.State("text")
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                prompt = field("prompt", gr.Textbox, lines=3, placeholder=words("prompt_hint"), elem_id="prompt")
                findings = _html(elem_id="findings")
                field("negative_prompt", gr.Textbox, lines=1)
                with gr.Tabs(elem_id="modes"):
                    for each in _MODES:
                        with gr.Tab(words(each), id=each) as tab:
                            getattr(self, f"_{each}")()
                        tab.select(lambda each=each: each, None, mode, **_QUIET)
                self._adapters(prompt)
                self._settings()
                self._more()
            with gr.Column(scale=6, min_width=320):
                with gr.Row():
                    button = gr.Button(words("draw"), variant="primary", elem_id="draw")
                    cancel = gr.Button(words("cancel"), variant="stop", elem_id="cancel")
                state, pictures = _html(elem_id="state"), _html(elem_id="pictures")
                code, codes = self._code()
        inputs = [mode, *self._fields.values()]
        button.click(self._draw, inputs, [state, pictures], **_QUIET)
        code.click(self._written, inputs, codes, api_visibility="private")
        cancel.click(self._cancel, None, None, **_QUIET)
        prompt.change(self._findings, [prompt, self._fields["model"]], findings, trigger_mode="always_last", **_QUIET)
        return [state, pictures]

    def _field(self, name: str, kind: Callable[..., Field], **given: object) -> Field:
        """A component of the form, in the order of which the form is handed over."""
        if "label" not in given:
            given["label"] = self._words(name)
        made = kind(**given)
        self._fields[name] = made
        return made

    def _text(self) -> None:
        gr.Markdown(self._words("text_about"))

    def _picture(self) -> None:
        words, field = self._words, self._field
        field("image", gr.Image, type="filepath", image_mode=None, sources=["upload", "clipboard"], height=300)
        field("strength", gr.Slider, minimum=0.05, maximum=1, step=0.05, value=0.6)
        choices = [(words(name), name) for name in ("crop", "fit", "stretch")]
        field("resize", gr.Radio, choices=choices, value="crop")

    def _mask(self) -> None:
        words, field = self._words, self._field
        brush = gr.Brush(default_size=24, colors=["#e02020"], color_mode="fixed")
        field("painted", gr.ImageEditor, placeholder=words("paint"), brush=brush, **_EDITOR)
        field("mask_strength", gr.Slider, label=words("strength"), minimum=0.05, maximum=1, step=0.05, value=1)
        with gr.Row():
            field("mask_only", gr.Checkbox)
            field("mask_blur", gr.Number, value=4, precision=0, minimum=0)
        gr.Markdown(words("outpaint"))
        with gr.Row():
            for side in ("left", "right", "top", "bottom"):
                field(side, gr.Number, value=0, precision=0, minimum=0, min_width=80)

    def _control(self) -> None:
        words, field, kinds = self._words, self._field, self._service.controls()
        label, hint = words("control"), words("control_image")
        drawn = field("drawn", gr.ImageEditor, label=label, placeholder=hint, **_EDITOR)
        with gr.Row():
            kind = field("kind", gr.Dropdown, label=words("control_kind"), choices=kinds, value=next(iter(kinds), None))
            field("scale", gr.Slider, label=words("control_scale"), minimum=0, maximum=2, step=0.05, value=1)
        with gr.Row():
            field("start", gr.Slider, label=words("control_start"), minimum=0, maximum=1, step=0.05, value=0)
            field("end", gr.Slider, label=words("control_end"), minimum=0, maximum=1, step=0.05, value=1)
        field("annotate", gr.Checkbox, value=True)
        look = gr.Button(words("annotate_preview"), size="sm")
        found = gr.Image(label=words("detected"), interactive=False, height=256, format="png", buttons=["fullscreen"])
        look.click(self._annotated, [drawn, kind], found, api_visibility="private")

    def _settings(self) -> None:
        from pai_modelscope.sampling import SCHEDULERS

        words, field = self._words, self._field
        models = list(self._service.models.names)
        usual = self._usual()
        with gr.Accordion(words("settings"), open=False):
            field("model", gr.Dropdown, choices=models, value=models[0], visible=len(models) > 1)
            # Texts, because an empty number would be shown as 0.
            for row in (("width", "height"), ("num_inference_steps", "guidance_scale")):
                with gr.Row():
                    for name in row:
                        field(name, gr.Textbox, placeholder=usual[name], min_width=100, max_length=20)
            with gr.Row():
                field("seed", gr.Textbox, min_width=100, max_length=200)
                field("num_images_per_prompt", gr.Number, value=1, precision=0, minimum=1, min_width=100)
            choices = [("", ""), *((name, name) for name in SCHEDULERS)]
            field("scheduler", gr.Dropdown, choices=choices, value="")

    def _usual(self) -> dict[str, str]:
        """What the first model does where a number is left open."""
        limits = self._service.models.limits(self._service.models.names[0])
        own: dict[str, object] = {} if limits is None else {"width": limits.width, "height": limits.height}
        recommended = {} if limits is None else limits.recommended
        return {name: str(value) for name, value in {**GENERATION_FALLBACKS, **own, **recommended}.items()}

    def _more(self) -> None:
        from pai_modelscope.images.upscalers.registry import offered

        words, field = self._words, self._field
        with gr.Accordion(words("more"), open=False):
            field("poem", gr.Textbox, lines=2)
            with gr.Row():
                field("beautify", gr.Checkbox)
                field("scroll", gr.Checkbox)
            with gr.Row():
                sizes = [(words("none"), 0), ("2", 2), ("4", 4)]
                field("upscale", gr.Dropdown, choices=sizes, value=0)
                field("upscaler", gr.Dropdown, choices=["hires", *offered()], value="painter")

    def _adapters(self, prompt: gr.Textbox) -> None:
        words, service = self._words, self._service
        loras, embeddings = thumbnails(service.loras(), service.options.lora or ()), list(service.embeddings())
        with gr.Accordion(words("adapters"), open=False):
            if not (loras or embeddings):
                gr.Markdown(words("no_adapters"))
                return
            gr.Markdown(words("adapters_about"))
            weight = gr.Slider(-1, 2, value=0.8, step=0.05, label=words("adapter_weight"))
            tiles = _html(views.adapters(loras, embeddings, words), js_on_load=_TELL)

        def write(text: str | None, weight: float, event: gr.EventData) -> str:
            kind, _, name = str(event.value).partition(":")
            added = f"<lora:{name}:{weight:g}>" if kind == "lora" else name
            return f"{text or ''}{added}"

        tiles.select(write, [prompt, weight], prompt, **_QUIET)

    def _code(self) -> tuple[gr.Button, list[gr.Code]]:
        words = self._words
        with gr.Accordion(words("code"), open=False):
            refresh = gr.Button(words("refresh_code"), size="sm")
            with gr.Tabs():
                with gr.Tab(words("python")):
                    python = gr.Code(language="python", show_label=False)
                with gr.Tab(words("curl")):
                    curl = gr.Code(language="shell", show_label=False)
                with gr.Tab(words("cell")):
                    cell = gr.Code(language="python", show_label=False)
        return refresh, [python, curl, cell]

    async def _draw(self, request: gr.Request, mode: Mode, *values: object) -> AsyncIterator[Values]:
        words = self._words
        form = Form(**dict(zip(FIELDS, self._in_order(values), strict=True)))  # type: ignore[arg-type]

        def submit() -> Job:
            body = request_of(form, mode, _client(request), self._service, words)
            return self._service.submit(_client(request), body, model=form.model or None, key=new_key(), priority=1)

        try:
            job = await anyio.to_thread.run_sync(submit)
        except REFUSALS as error:
            yield views.line(words("failed", refusal(error).message), "error"), ""
            return
        async for shown in follow(self._service, job, words):
            yield shown

    async def _resume(self, request: gr.Request) -> AsyncIterator[Values]:
        """After a reload: the newest job of this page that has not ended."""
        jobs = await anyio.to_thread.run_sync(lambda: unended_of(self._service, _client(request)))
        if jobs:
            async for shown in follow(self._service, jobs[0], self._words):
                yield shown

    def _cancel(self, request: gr.Request) -> None:
        for job in unended_of(self._service, _client(request)):
            self._service.cancel(job)

    def _findings(self, prompt: str | None, model: str | None) -> str:
        try:
            name = model or self._service.models.names[0]
            return views.findings(self._service.models.check_prompt(name, prompt or ""), self._words)
        except UserError as error:
            return views.line(str(error), "error")

    def _annotated(self, drawn: dict[str, object] | None, kind: str | None) -> object:
        from pai_modelscope.images.annotators import annotate

        path = (drawn or {}).get("composite")
        if not isinstance(path, str):
            raise gr.Error(self._words("no_image"))
        try:
            return annotate(kind or "", path)
        except UserError as error:
            raise gr.Error(str(error)) from None

    def _written(self, request: gr.Request, mode: Mode, *values: object) -> Values:
        form = Form(**dict(zip(FIELDS, self._in_order(values), strict=True)))  # type: ignore[arg-type]
        try:
            body = request_of(form, mode, _client(request), self._service, self._words)
        except UserError as error:
            raise gr.Error(str(error)) from None
        model = form.model or self._service.models.names[0]
        address = str(_asked(request).base_url).rstrip("/").removesuffix("/en")
        return snippets.python(body, model), snippets.curl(body, address), snippets.cell(body, model)

    def _in_order(self, values: Values) -> list[object]:
        """The values of the components, which stand as they are laid out, as the form has them."""
        by_name = dict(zip(self._fields, values, strict=True))
        return [by_name[name] for name in FIELDS]

    # The other pages

    def _restoring(self) -> None:
        words = self._words
        gr.Markdown(words("restore_about"))
        file = gr.File(label=words("restore_file"), type="filepath", height=160)
        told = _html(elem_id="restored")
        shown = gr.Textbox(label=words("parameters"), lines=6, interactive=False, buttons=["copy"])
        outputs = [told, shown, *self._restored_fields()]
        file.upload(self._restore, file, outputs, api_visibility="private")

    def _restore(self, path: str) -> Values:
        from pai_modelscope.images.infotext import read_png

        try:
            asked = read_png(path)
        except UserError as error:
            said = str(error).replace(path, Path(path).name)
            return views.line(said, "error"), "", *(gr.skip() for _ in self._restored_fields())
        text = json.dumps(asked, ensure_ascii=False, indent=1, default=str)
        return views.line(self._words("restored"), "fine"), text, *self._filled(form_of(asked))

    def _history(self, tabs: gr.Tabs, tab: gr.Tab) -> None:
        words = self._words
        with gr.Row():
            search = gr.Textbox(label=words("search"), scale=4, max_length=200)
            refresh = gr.Button(words("refresh"), scale=1, min_width=100)
        tiles = _html(js_on_load=_TELL, elem_id="tiles")
        chosen = gr.State(None)
        picture = _html()
        text = gr.Textbox(label=words("parameters"), lines=3, interactive=False, visible=False, buttons=["copy"])
        use = gr.Button(words("use"), visible=False, elem_id="use")

        def found(request: gr.Request, sought: str) -> str:
            jobs = self._service.store.of_client(_client(request), _SHOWN, sought or "")
            return views.history(self._service, [job for job in jobs if job.pictures], words)

        def choose(request: gr.Request, event: gr.EventData) -> Values:
            job = self._service.job(_client(request), str(event.value))
            if job is None or not job.pictures:
                return None, "", gr.update(visible=False), gr.update(visible=False)
            return (
                job.id,
                views.pictures(self._service, job, words),
                gr.update(value=job.pictures[0]["infotext"], visible=True),
                gr.update(visible=True),
            )

        def take(request: gr.Request, id: str | None) -> Values:
            job = self._service.job(_client(request), id or "")
            form = form_of(job.request, job.model) if job else Form()
            return gr.update(selected="draw"), *self._filled(form)

        for event in (tab.select, refresh.click, search.submit):
            event(found, search, tiles, **_QUIET)
        tiles.select(choose, None, [chosen, picture, text, use], **_QUIET)
        use.click(take, chosen, [tabs, *self._restored_fields()], **_QUIET)

    def _restored_fields(self) -> list[gr.components.Component]:
        return [self._fields[name] for name in _RESTORED]

    def _filled(self, form: Form) -> list[object]:
        return [getattr(form, name) for name in _RESTORED]

    def _grid(self) -> None:
        words, loras = self._words, self._service.loras()
        prompts = gr.Textbox(label=words("grid_prompts"), lines=3)
        with gr.Row():
            seeds = gr.Textbox("1,2,3", label=words("grid_seeds"))
            lora = gr.Dropdown(["", *loras], value="", label=words("grid_lora"), visible=bool(loras))
            weights = gr.Textbox("0,0.5,1", label=words("grid_weights"), visible=bool(loras))
        button = gr.Button(words("grid_draw"), variant="primary", elem_id="draw-grid")
        table = _html(elem_id="grid")
        button.click(self._draw_grid, [prompts, seeds, lora, weights], table, **_QUIET)

    async def _draw_grid(
        self, request: gr.Request, prompts: str, seeds: str, lora: str, weights: str
    ) -> AsyncIterator[str]:
        words, service, client = self._words, self._service, _client(request)
        texts = [line.strip() for line in (prompts or "").splitlines() if line.strip()]
        try:
            columns = [
                (int(seed), weight)
                for seed in _numbers(seeds, words)
                for weight in (_numbers(weights, words) if lora else [None])
            ]
            if len(texts) * len(columns) > _MOST_CELLS:
                raise UserError(words("too_many", len(texts) * len(columns), _MOST_CELLS))

            def submit() -> list[Job]:
                return [
                    service.submit(client, _cell_body(text, seed, lora, weight), key=new_key())
                    for text in texts
                    for seed, weight in columns
                ]

            jobs = await anyio.to_thread.run_sync(submit)
        except REFUSALS as error:
            yield views.line(words("failed", refusal(error).message), "error")
            return
        heads = [f"{seed}" if weight is None else f"{seed} · {lora} {weight:g}" for seed, weight in columns]
        if not jobs:
            return
        async for now in all_ended(service, jobs):
            rows = [(text, now[i * len(columns) : (i + 1) * len(columns)]) for i, text in enumerate(texts)]
            yield views.grid(service, rows, heads, words)

    async def _draw_for_programs(
        self,
        request: gr.Request,
        prompt: str,
        negative_prompt: str = "",
        seed: int | None = None,
        width: int | None = None,
        height: int | None = None,
        num_inference_steps: int | None = None,
        num_images_per_prompt: int = 1,
    ) -> dict[str, object]:
        """Draw a prompt; answers the job's id and links to its pictures, which need no token for a day."""
        options = {"seed": seed, "width": width, "height": height, "num_inference_steps": num_inference_steps}
        body = {"prompt": prompt, "negative_prompt": negative_prompt, "num_images_per_prompt": num_images_per_prompt}
        body |= {name: value for name, value in options.items() if value is not None}
        service, client = self._service, _client(request)
        try:
            job = await anyio.to_thread.run_sync(lambda: service.submit(client, body, priority=1))
        except REFUSALS as error:
            raise gr.Error(refusal(error).message) from None
        # The request that asked is over; its client waits on another.
        while not (job := await ended(service, job, _LOOK)).state.ended:
            pass
        if job.state is not State.DONE:
            raise gr.Error(unended(job))
        base = str(_asked(request).base_url).rstrip("/")
        pictures = [
            {"url": base + link(service, job, number), "seed": drawn["seed"], "infotext": drawn["infotext"]}
            for number, drawn in enumerate(job.pictures)
        ]
        return {"job": job.id, "pictures": pictures}


_RESTORED = (
    "prompt",
    "negative_prompt",
    "num_inference_steps",
    "guidance_scale",
    "scheduler",
    "width",
    "height",
    "seed",
    "num_images_per_prompt",
    "poem",
    "beautify",
    "upscale",
    "scroll",
)


def _html(value: str = "", *, elem_id: str | None = None, js_on_load: str = "") -> gr.HTML:
    """HTML in the page's own style."""
    return gr.HTML(value, elem_id=elem_id, js_on_load=js_on_load, apply_default_css=False, padding=False)


def _client(request: gr.Request) -> str:
    return client_of(_asked(request))


def _asked(request: gr.Request) -> Request:
    """The HTTP request that an event came by."""
    assert request.request is not None  # of an event that a program calls in this process, which nobody does
    return request.request


def _numbers(text: str, words: Words) -> list[float]:
    try:
        return [float(part) for part in text.replace("，", ",").split(",") if part.strip()]
    except ValueError:
        raise UserError(words("bad_numbers", text[:100])) from None


def _cell_body(text: str, seed: int, lora: str, weight: float | None) -> dict[str, object]:
    body: dict[str, object] = {"prompt": text, "seed": seed}
    return body if weight is None else body | {"loras": {lora: weight}}
