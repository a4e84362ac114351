"""Prompts that change from step to step and prompts that are composed, as AUTOMATIC1111's WebUI defines them.

`[from:to:when]` is prompt editing, `[a|b]` alternation, `a AND b :1.2` composition with weights:
https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/Features#prompt-editing
https://energy-based-model.github.io/Compositional-Visual-Generation-with-Composable-Diffusion-Models/

The WebUI's grammar reads some stray brackets beside a construct in two ways, and which of them it takes is left to
its parser's hash order. Here a bracket that can be read as a construct always is one, and the outermost goes first.
Full-width forms of the signs are read as the others, as they are in weights.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.text.characters import plain_forms, shorten, visible
from pai_modelscope.text.weights import too_many_brackets

AND = re.compile(r"\bAND\b")  # Chinese characters are letters: without spaces around it, AND is a part of a word
_WEIGHT = re.compile(r"[-+]?(?:\d+\.?|\d*\.\d+)")
_COLON = re.compile("[:：]")
# Text, a sign, or a backslash that escapes nothing. Text takes every character that it can: linear time.
_TOKEN = re.compile(r"(?:[^\\|:()\[\]｜：（）［］]|\\.)++|.|\n")
_SIGNS = {"（": "(", "）": ")", "［": "[", "］": "]", "：": ":", "｜": "|"} | {sign: sign for sign in "()[]:|\\"}
_NUMBER = re.compile(r"\s*+([+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?)\s*+")


@dataclass(frozen=True)
class PromptPart:
    """A text that may change from step to step, and the weight of its prediction among those that AND joins.

    `texts`: each text with the last step, counted from 1, that is drawn with it; the last one's is the number of steps.
    """

    texts: tuple[tuple[int, str], ...]
    weight: float = 1.0

    def at(self, step: int) -> str:
        """The text of a step, counted from 1."""
        return self.texts[bisect_left(self.texts, step, key=lambda text: text[0])][1]


class Constructs(NamedTuple):
    """How often prompt editing and alternation occur."""

    editing: int
    alternation: int


@dataclass(frozen=True)
class _Editing:
    before: Sequence["_Node"]
    after: Sequence["_Node"]
    when: str


@dataclass(frozen=True)
class _Alternation:
    options: Sequence[Sequence["_Node"]]


_Node = str | _Editing | _Alternation | list["_Node"]


def composed_prompt(prompt: str, steps: int, steps_before: int | None = None) -> tuple[PromptPart, ...]:
    """Split a prompt into the texts that AND joins, each with its weight and as it changes over the steps.

    A weight belongs to AND: `16:9` at the end of a prompt without AND is text, which the WebUI takes for a weight.
    Capitals alone are AND, and only where no letter touches them.

    `steps_before`: see `prompt_schedule`.

    Raises:
        UserError: more than `limits.PROMPT_PARTS` texts, a weight beyond `limits.PROMPT_WEIGHT`, and what
            `prompt_schedule` refuses.
    """
    texts = AND.split(prompt)
    if len(texts) == 1:
        return (PromptPart(prompt_schedule(prompt, steps, steps_before)),)
    if len(texts) > limits.PROMPT_PARTS:
        raise UserError(
            f"The text {shorten(prompt)!r} joins {len(texts)} texts by AND; valid are up to {limits.PROMPT_PARTS}."
        )
    parts = [_split_weight(text) for text in texts]
    for text, weight in parts:
        if not abs(weight) <= limits.PROMPT_WEIGHT:
            raise UserError(
                f"The text {shorten(prompt)!r} gives {shorten(text.strip())!r} the weight {weight:g}; valid are up to "
                f"{limits.PROMPT_WEIGHT:g}, and 0.5 to 1.5 is usual."
            )
    return tuple(PromptPart(prompt_schedule(text, steps, steps_before), weight) for text, weight in parts)


def prompt_schedule(prompt: str, steps: int, steps_before: int | None = None) -> tuple[tuple[int, str], ...]:
    """List the texts that a prompt without AND is drawn with, each with its last step, counted from 1.

    `[a:b:when]` is `a` up to the step `when` and `b` after it, `[b:when]` and `[a::when]` leave one of them out,
    `[a|b|c]` is one after the other, and they nest. `when` is a step, or, with a decimal point, a share of the steps.
    A prompt whose `|` or `\\` has no place in this grammar is drawn as it stands, as in the WebUI.

    `steps_before`: of the pass that this one draws over. Steps are then counted on from it, and 1.5 is the middle of
    this pass.

    Raises:
        UserError: more than `limits.PROMPT_BRACKETS` open at once, or so long and changing so often that all its
            texts together would be more than `limits.PROMPT_TEXTS_CHARACTERS`.
    """
    nodes, constructs = _read(prompt)
    if not constructs:
        return ((steps, prompt),)
    before = steps_before or 0
    changes = sorted({_step(node.when, steps, before) for node in constructs if isinstance(node, _Editing)})
    periods = sorted({len(node.options) for node in constructs if isinstance(node, _Alternation)})
    states = [
        (bisect_left(changes, step), *((step - 1) % period for period in periods)) for step in range(1, steps + 1)
    ]
    first = {state: step for step, state in reversed(list(enumerate(states, 1)))}
    if len(first) * len(prompt) > limits.PROMPT_TEXTS_CHARACTERS:
        raise UserError(
            f"The text {shorten(prompt)!r} has {len(prompt)} characters and changes {len(first)} times over {steps} "
            "steps, which is too much together: shorten it, or let less of it change."
        )
    texts = {state: "".join(_pieces(nodes, step, steps, before)) for state, step in first.items()}
    schedule: list[tuple[int, str]] = []
    for step, state in enumerate(states, 1):
        if schedule and schedule[-1][1] == texts[state]:
            schedule.pop()
        schedule.append((step, texts[state]))
    return tuple(schedule)


def count_constructs(prompt: str) -> Constructs:
    """Count the constructs of a prompt that change over the steps."""
    constructs = [node for text in AND.split(prompt) for node in _read(text)[1]]
    editing = sum(isinstance(node, _Editing) for node in constructs)
    return Constructs(editing, len(constructs) - editing)


def _split_weight(text: str) -> tuple[str, float]:
    """`a :1.2` to `a` and 1.2; 1 where it ends on no weight."""
    colons = [match.start() for match in _COLON.finditer(text)]
    weight = plain_forms(text[colons[-1] + 1 :]).strip() if colons else ""
    if not _WEIGHT.fullmatch(weight):
        return text.rstrip(), 1.0
    return text[: colons[-1]].rstrip(), float(weight)


class _Bracket:
    """An open bracket and what it holds so far, its colons and bars among it."""

    def __init__(self, sign: str) -> None:
        self.sign = sign
        self.nodes: list[_Node] = []
        self.separators: list[int] = []  # places in `nodes`

    @property
    def has_bar(self) -> bool:
        return any(_SIGNS[str(self.nodes[place])] == "|" for place in self.separators)

    def add(self, text: str) -> None:
        if text in (":", "：", "|", "｜"):
            self.separators.append(len(self.nodes))
        self.nodes.append(text)

    def closed(self, sign: str) -> _Node | None:
        """What the bracket is, closed by `sign`; None if it is nothing that the grammar knows."""
        if _SIGNS[self.sign] + _SIGNS[sign] not in ("()", "[]"):
            return None
        plain: list[_Node] = [self.sign, *self.nodes, sign]
        if not self.separators:
            return plain
        bars = sum(_SIGNS[str(self.nodes[place])] == "|" for place in self.separators)
        if _SIGNS[sign] == ")":
            return None if bars or len(self.separators) > 1 else plain
        segments = self._segments()
        if bars:
            return _Alternation(segments) if bars == len(self.separators) else None
        *texts, last = segments
        when = _number(last)
        if when is None or len(texts) > 2:
            return None
        return _Editing(texts[0] if len(texts) == 2 else [], texts[-1], when)

    def _segments(self) -> list[list[_Node]]:
        starts = [0, *(place + 1 for place in self.separators)]
        return [self.nodes[start:end] for start, end in zip(starts, [*self.separators, len(self.nodes)], strict=True)]


def _read(prompt: str) -> tuple[list[_Node], list[_Editing | _Alternation]]:
    """The prompt, and all in it that changes with the steps, nested or not; nothing where the grammar can't read it.

    A bracket holds only what is whole: one that holds a stray sign is stray itself, and so are all around it.
    """
    nodes: list[_Node] = []
    constructs: list[_Editing | _Alternation] = []
    stack: list[_Bracket] = []

    def give_up() -> bool:
        """Take all open brackets for text; False if a bar would be left over, which can't be text."""
        readable = not any(bracket.has_bar for bracket in stack)
        for bracket in stack:
            nodes.extend([bracket.sign, bracket.nodes])
        stack.clear()
        return readable

    for match in _TOKEN.finditer(visible(prompt)):
        token = match[0]
        sign = _SIGNS.get(token, "")
        if sign == "\\" or (sign == "|" and not (stack and _SIGNS[stack[-1].sign] == "[")):
            return [], []
        if sign and sign in "([":
            stack.append(_Bracket(token))
            if len(stack) > limits.PROMPT_BRACKETS:
                raise too_many_brackets(prompt)
        elif sign and sign in ")]":
            closed = stack[-1].closed(token) if stack else None
            if closed is None:
                if not give_up():
                    return [], []
                nodes.append(token)
            else:
                stack.pop()
                if isinstance(closed, _Editing | _Alternation):
                    constructs.append(closed)
                (stack[-1].nodes if stack else nodes).append(closed)
        elif stack:
            stack[-1].add(token)
        else:
            nodes.append(token)
    return (nodes, constructs) if give_up() else ([], [])


def _number(nodes: Sequence[_Node]) -> str | None:
    """A number, with or without spaces around it, and nothing else."""
    if len(nodes) != 1 or not isinstance(nodes[0], str):
        return None
    match = _NUMBER.fullmatch(plain_forms(nodes[0]))
    return match[1] if match else None


def _step(when: str, steps: int, before: int) -> int:
    """The last step of what stands before, counted from 1 within this pass; 0 or less: it is never drawn."""
    number = float(when)
    number = (number - (1 if before else 0)) * steps if "." in when else number - before
    return math.trunc(max(-1.0, min(float(steps), number)))


def _pieces(nodes: Sequence[_Node], step: int, steps: int, before: int) -> Iterator[str]:
    """The text of a step, in pieces."""
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif isinstance(node, _Editing):
            chosen = node.before if step <= _step(node.when, steps, before) else node.after
            yield from _pieces(chosen, step, steps, before)
        elif isinstance(node, _Alternation):
            yield from _pieces(node.options[(step - 1) % len(node.options)], step, steps, before)
        else:
            yield from _pieces(node, step, steps, before)
