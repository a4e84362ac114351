"""A box in a notebook: a prompt, a seed, a number of steps, and a button that draws.

`ipywidgets` is optional. Without it, and where nobody can click, the prompt is drawn once.
"""

import html
import importlib.util
import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pai_modelscope.config.generation import GENERATION_FALLBACKS
from pai_modelscope.errors import UserError, need

if TYPE_CHECKING:
    from PIL import Image

    from pai_modelscope.sampling import Sampler

STYLE = {"description_width": "5em"}
LARGEST_SEED = 2**32 - 1
MOST_STEPS = 200


def prompt_box(
    sampler: "Sampler", prompt: str = "熊猫,扁平插画风格", *, seed: int = 0, **options: object
) -> "PromptBox | Image.Image":
    """Make a `PromptBox` around `sampler`, which a cell shows when it ends on it.

    `options` go to every call of the sampler; `num_inference_steps` is where the field of steps begins. Where no
    widgets can be shown, the prompt is drawn once, the PIL picture is returned, and the line that draws it is printed.
    """
    if widgets_work():
        return PromptBox(sampler, prompt, seed, options)
    print(f"这里不能显示按钮；要画别的，修改并运行这一行：\n{call(prompt, seed, options)}")
    return sampler(prompt, seed=seed, **options)[0].image  # type: ignore[arg-type]  # a callback may be among them


def widgets_work() -> bool:
    """Whether ipywidgets is installed and somebody sits at the notebook.

    Who runs notebooks unattended (papermill, nbconvert) tells the kernel that nobody can answer questions: nobody
    presses buttons there either.
    """
    if importlib.util.find_spec("ipywidgets") is None or importlib.util.find_spec("IPython") is None:
        return False
    from IPython.core.getipython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return kernel is not None and bool(getattr(kernel, "_allow_stdin", True))


def call(prompt: str, seed: int, options: Mapping[str, object]) -> str:
    """Write the line of Python that draws the same picture. Pictures among the options are written as `...`."""
    known = (str, int, float, bool, tuple, dict, type(None))
    reprs = {name: repr(value) if isinstance(value, known) else "..." for name, value in options.items()}
    return (
        f"sampler({', '.join([repr(prompt), f'seed={seed}', *(f'{name}={value}' for name, value in reprs.items())])})"
    )


class PromptBox:
    """The box itself: `widget` is what is shown, `picture` the last PIL picture, None before the first."""

    def __init__(self, sampler: "Sampler", prompt: str, seed: int, options: Mapping[str, object]):
        need("notebooks", "the box for prompts", "ipywidgets", "IPython")
        import ipywidgets as widgets

        self.picture: Image.Image | None = None
        self._sampler, self._options = sampler, dict(options)
        steps = self._options.pop("num_inference_steps", None) or sampler.recommended.get("num_inference_steps")
        steps = steps or GENERATION_FALLBACKS["num_inference_steps"]
        wide = widgets.Layout(width="36em", max_width="100%")
        self.prompt = widgets.Text(prompt, description="提示词", layout=wide, style=STYLE, continuous_update=False)
        self.seed = widgets.BoundedIntText(seed, min=0, max=LARGEST_SEED, description="种子", style=STYLE)
        self.steps = widgets.BoundedIntText(steps, min=1, max=MOST_STEPS, description="步数", style=STYLE)
        self.button = widgets.Button(description="生成", button_style="primary")
        self.progress = widgets.IntProgress(0, min=0, max=1, description="进度", layout=wide, style=STYLE)
        self.message = widgets.HTML()
        self.shown = widgets.Box()
        self.button.on_click(self._draw)
        line = widgets.HBox([self.seed, self.steps, self.button], layout=widgets.Layout(flex_flow="row wrap"))
        self.widget = widgets.VBox([self.prompt, line, self.progress, self.message, self.shown])

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)  # type: ignore[no-untyped-call]

    def _draw(self, _button: object) -> None:
        """Draw when the button is pressed; a `UserError` is shown in the box."""
        self.button.disabled, self.message.value, self.progress.value = True, "", 0
        prompt, seed, options = self.prompt.value, self.seed.value, {"num_inference_steps": self.steps.value}
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                drawn = self._sampler(prompt, seed=seed, callback=self._step, **options, **self._options)
            self._show(drawn[0].image)
            self._write(*(str(warning.message) for warning in caught), call(prompt, seed, options | self._options))
        except UserError as error:
            self._write(str(error))
        finally:
            self.button.disabled = False

    def _step(self, step: int, total: int) -> None:
        self.progress.max, self.progress.value = total, step

    def _show(self, picture: "Image.Image") -> None:
        need("notebooks", "the box for prompts", "ipywidgets", "IPython")
        import ipywidgets as widgets

        self.picture, file = picture, io.BytesIO()
        picture.save(file, "PNG")
        self.shown.children = [widgets.Image(value=file.getvalue(), format="png", width=picture.width)]

    def _write(self, *lines: str) -> None:
        self.message.value = "<br>".join(map(html.escape, lines))
