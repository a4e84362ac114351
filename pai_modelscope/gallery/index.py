"""`gallery/index.yaml`: which pictures the gallery shows, and the call that makes each of them."""

import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pai_modelscope.config.option import Bounds, half_characters, problem_of_number, short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.untrusted import read_yaml

# Options of a picture that are flags of `pai-modelscope generate`; a picture with others is shown as Python alone.
FLAGS = {
    "negative_prompt": "--negative-prompt",
    "num_inference_steps": "--steps",
    "guidance_scale": "--guidance-scale",
    "scheduler": "--scheduler",
    "upscale": "--upscale",
    "upscaler": "--upscaler",
}
OPENING = "from pai_modelscope import Sampler\n\nsampler = Sampler.from_pretrained({model!r}, device='cpu')\n"


@dataclass(frozen=True)
class Entry:
    """A picture, or a pair of before and after.

    `python` leaves the picture in the variable `picture` (a pair's first in `before`), given a `sampler` of `model`;
    it is what the build runs and what the page shows.
    """

    key: str
    prompt: str
    seed: int
    model: str
    python: str
    title: str = ""
    alt: str = ""
    command: str = ""
    notebook: str = ""
    pair: bool = False
    start: int = 50  # percent of a pair that first shows what was before

    @property
    def call(self) -> str:
        """The whole Python that makes the picture, as a reader copies it."""
        return OPENING.format(model=self.model) + self.python.rstrip() + "\npicture.save('picture.png')\n"

    @property
    def needs_training(self) -> bool:
        """Whether the model is a folder that training leaves, not a name of the zoo."""
        return "/" in self.model

    @property
    def caption(self) -> str:
        return self.title or self.prompt

    @property
    def description(self) -> str:
        """What is read out in place of the picture."""
        return self.alt or f"根据“{self.prompt}”画的图"


@dataclass(frozen=True)
class Group:
    """Pictures of the wall under one heading."""

    key: str
    title: str
    text: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Card:
    """A picture of the README: which one, what is written under it in each language, and where it leads."""

    picture: str
    zh: str
    en: str
    link: str


@dataclass(frozen=True)
class Index:
    """What `index.yaml` declares."""

    title: str
    text: str
    model: str
    groups: tuple[Group, ...]
    pairs: tuple[Entry, ...] = ()
    covers: dict[str, str] = field(default_factory=dict)
    cards: tuple[Card, ...] = ()

    @property
    def entries(self) -> list[Entry]:
        return [entry for group in self.groups for entry in group.entries] + list(self.pairs)


def read_index(path: Path) -> Index:
    """Read and check the declaration. Raises `UserError`: no such file, no YAML, or what in it cannot be understood."""
    if not path.is_file():
        raise UserError(f"cannot read {path}: build the gallery in a clone of the project, or name it with --index")
    content = read_yaml(path)
    try:
        return _index(content)
    except _Unclear as error:
        raise UserError(f"{path}: {error}") from None


class _Unclear(ValueError):
    """What is wrong in the declaration, without the name of the file."""


class _Fields(dict[str, object]):
    """A mapping that `_fields` has read."""

    def text(self, name: str) -> str:
        """A field that is a text; empty where it is left out."""
        value = self.get(name, "")
        assert isinstance(value, str)
        return value


def _index(content: object) -> Index:
    top = _fields(content, "the top", {"title", "text", "model", "wall"}, {"pairs", "covers", "cards"})
    groups = tuple(_group(item, top.text("model")) for item in _list(top["wall"], "wall"))
    pairs = tuple(_entry(item, "pairs", top.text("model"), pair=True) for item in _list(top.get("pairs", []), "pairs"))
    cards = tuple(_card(item) for item in _list(top.get("cards", []), "cards"))
    covers = top.get("covers", {})
    if not isinstance(covers, dict) or not all(isinstance(part, str) for item in covers.items() for part in item):
        raise _Unclear(f"covers is {short_repr(covers)}: it must name a picture by its id for each notebook")
    index = Index(top.text("title"), top.text("text"), top.text("model"), groups, pairs, covers, cards)
    keys = [entry.key for entry in index.entries]
    if twice := sorted({key for key, count in Counter(keys).items() if count > 1}):
        raise _Unclear(f"{', '.join(twice)}: declared twice; give each picture another id, prompt or seed")
    named = [*index.covers.values(), *(card.picture for card in cards)]
    if unknown := sorted(set(named) - set(keys)):
        raise _Unclear(f"no picture has the id {', '.join(unknown)}, which covers or cards name")
    return index


def _card(content: object) -> Card:
    card = _fields(content, "a card", {"picture", "zh", "en", "link"})
    return Card(card.text("picture"), card.text("zh"), card.text("en"), card.text("link"))


def _group(content: object, model: str) -> Group:
    optional = {"text", "model", "seed", "notebook"}
    group = _fields(content, "a group of the wall", {"id", "title", "pictures"}, optional)
    common = {name: group[name] for name in ("seed", "notebook") if name in group}
    key = _name(group.text("id"), "id")
    pictures = _list(group["pictures"], f"pictures of {key}")
    model = group.text("model") if "model" in group else model
    entries = tuple(_entry(item, key, model, common) for item in pictures)
    return Group(key, group.text("title"), group.text("text"), entries)


def _entry(
    content: object, place: str, model: str, common: Mapping[str, object] | None = None, pair: bool = False
) -> Entry:
    """A picture: its prompt alone, or a mapping with what differs from its group."""
    values = {"prompt": content} if isinstance(content, str) else content
    if not isinstance(values, dict):
        raise _Unclear(
            f"{short_repr(content)} in {place} is no picture: write its prompt, or prompt: and what else it has"
        )
    optional = {"id", "title", "alt", "model", "options", "python", "notebook"} | ({"start"} if pair else set())
    fields = _fields({**(common or {}), **values}, f"a picture of {place}", {"prompt", "seed"}, optional)
    options, model = fields.get("options", {}), fields.text("model") if "model" in fields else model
    prompt, seed = fields.text("prompt"), fields["seed"]
    assert isinstance(seed, int)
    if not isinstance(options, dict) or not all(isinstance(name, str) and name.isidentifier() for name in options):
        raise _Unclear(f"options of {prompt!r} is {short_repr(options)}: it must be a mapping of options")
    python = fields.text("python")
    if python:
        _check_python(python, prompt, seed, pair)
    elif pair:
        raise _Unclear(f"the pair {prompt!r} needs python: that sets before and picture")
    start = fields.get("start", 50)
    faulty = problem_of_number("start", start, whole=True, bounds=Bounds(minimum=0, maximum=100))
    if faulty or not isinstance(start, int):
        raise _Unclear(f"start of {prompt!r} is {short_repr(start)}: it must be a whole number from 0 to 100")
    key = (
        _name(fields.text("id"), "id") or hashlib.sha256(f"{model} {prompt} {seed} {options}".encode()).hexdigest()[:8]
    )
    command = "" if python else _command(prompt, seed, model, options)
    return Entry(
        key=key,
        prompt=prompt,
        seed=seed,
        model=model,
        python=python or _python(prompt, seed, options),
        title=fields.text("title"),
        alt=fields.text("alt"),
        command=command,
        notebook=fields.text("notebook"),
        pair=pair,
        start=start,
    )


def _check_python(python: str, prompt: str, seed: int, pair: bool) -> None:
    """What the page says beside the code must be what the code does."""
    for needed in (repr(prompt), f"seed={seed}", "picture =", *(["before ="] if pair else [])):
        if needed not in python:
            raise _Unclear(f"the python of {prompt!r} does not say {needed}")


def _python(prompt: str, seed: int, options: Mapping[str, object]) -> str:
    named = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"picture = sampler({prompt!r}, seed={seed}{named})[0].image\n"


def _command(prompt: str, seed: int, model: str, options: Mapping[str, object]) -> str:
    if set(options) - set(FLAGS):
        return ""
    words = ["pai-modelscope", "generate", prompt, "--seed", str(seed)]
    words += [word for name, value in options.items() for word in (FLAGS[name], str(value))]
    words += ["--model", model] if "/" in model else []
    return shlex.join([*words, "--device", "cpu"])


def _fields(
    content: object, place: str, needed: set[str], optional: frozenset[str] | set[str] = frozenset()
) -> _Fields:
    """Read a mapping with these fields. Each is a text, but for those in `_OTHERS`, which their own readers look at."""
    if not isinstance(content, dict):
        raise _Unclear(f"{place} is {short_repr(content)}: it must be a mapping of {', '.join(sorted(needed))}")
    if unknown := sorted(short_repr(name) for name in content if name not in needed | optional):
        raise _Unclear(f"{place} says {', '.join(unknown)}; known are {', '.join(sorted(needed | optional))}")
    if missing := sorted(needed - set(content)):
        raise _Unclear(f"{place} lacks {', '.join(missing)}")
    for name, value in content.items():
        if name == "seed":
            if fault := problem_of_number(f"seed of {place}", value, whole=True, bounds=_SEEDS):
                raise _Unclear(fault)
        elif name not in _OTHERS and (not isinstance(value, str) or half_characters(value)):
            raise _Unclear(f"{name} of {place} is {short_repr(value)}: it must be a text")
    return _Fields(content)


def _name(text: str, what: str) -> str:
    """The text, of which files and links are named. Raises `_Unclear` where it leads elsewhere."""
    if (text and not re.fullmatch(r"[\w.-]{1,100}", text)) or text.startswith("."):
        raise _Unclear(f"{what} {short_repr(text)} is no name of letters, digits, '-', '_' and '.'")
    return text


def _list(content: object, place: str) -> list[object]:
    if not isinstance(content, list):
        raise _Unclear(f"{place} is {short_repr(content)}: it must be a list")
    return content


_OTHERS = {"wall", "pairs", "covers", "cards", "pictures", "options", "start"}
_SEEDS = Bounds(minimum=0, maximum=2**63 - 1)
