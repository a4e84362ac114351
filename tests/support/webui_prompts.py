"""A second reading of the WebUI's prompts, slow and plain: its grammar written anew for an Earley parser.

Where the grammar can read a bracket in two ways, as a construct or as stray signs, it is a construct.
"""

from typing import Any

import lark

_GRAMMAR = r"""
start: (_element | STRAY)*
_element: round | square | editing | alternation | TEXT
text: _element*
round: "(" text [":" text] ")"
square: "[" text "]"
editing: "[" [text ":"] text ":" SPACE? NUMBER SPACE? "]"
alternation: "[" text ("|" text)+ "]"
TEXT: /(?:[^\\|:()\[\]]|\\.)+/
STRAY.-1: /[:()\[\]]/
SPACE: /\s+/
NUMBER: /[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/
"""
_PARSER = lark.Lark(_GRAMMAR, maybe_placeholders=True)


def texts_of_steps(prompt: str, steps: int) -> list[str]:
    """The text of every step of a prompt without AND."""
    try:
        tree = _PARSER.parse(prompt)
    except lark.LarkError:
        return [prompt] * steps
    return [_text(tree, step, steps) for step in range(1, steps + 1)]


def _text(node: Any, step: int, steps: int) -> str:
    if node is None or isinstance(node, lark.Token):
        return str(node or "")
    children = node.children
    if node.data == "alternation":
        return _text(children[(step - 1) % len(children)], step, steps)
    if node.data == "editing":
        before, after, *rest = children
        number = next(token for token in rest if token is not None and token.type == "NUMBER")
        when = float(number) * steps if "." in number else float(number)
        return _text(before if step <= int(min(when, steps)) else after, step, steps)
    parts = [_text(child, step, steps) for child in children]
    if node.data == "square":
        return f"[{parts[0]}]"
    if node.data == "round":
        return "(" + ":".join(parts if children[1] is not None else parts[:1]) + ")"
    return "".join(parts)


def parts_of(prompt: str) -> list[tuple[str, float]]:
    """The texts that AND joins, each with its weight; one text alone has none of its own."""
    pieces, start = [], 0
    for place in range(len(prompt)):
        around = prompt[max(0, place - 1) : place] + prompt[place + 3 : place + 4]
        if prompt[place : place + 3] == "AND" and not any(sign.isalnum() or sign == "_" for sign in around):
            pieces.append(prompt[start:place])
            start = place + 3
    pieces.append(prompt[start:])
    return [_weighted(piece) for piece in pieces] if len(pieces) > 1 else [(prompt, 1.0)]


def _weighted(piece: str) -> tuple[str, float]:
    for place in range(len(piece)):
        tail = piece[place:].strip()
        number = tail[1:].strip() if tail[:1] == ":" else ""
        digits = number[1:] if number[:1] in ("+", "-") else number
        if digits.replace(".", "", 1).isdigit():
            return piece[:place], float(number)
    return piece.rstrip(), 1.0
