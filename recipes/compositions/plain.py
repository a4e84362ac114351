"""Compositions on plain grounds: counts, relations and sizes of things in one hand."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pai_modelscope.images.colors import NAMED_COLOURS
from recipes.compositions.art import MONOCHROME, Library, Piece, measured, mirrored
from recipes.compositions.facts import Facts, Group, Wish
from recipes.compositions.holders import HOLDERS, Holder, drawn
from recipes.compositions.nouns import BUILDINGS
from recipes.compositions.placed import MOST_COVERED, Placed, Seen, covered, inside, paste, stands_out

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels
_MARGIN = 0.04
_WHITE, _GRADIENT = 0.4, 0.2  # shares of the grounds; the others are of one colour
_LARGER = 1.8  # how many times as long a large thing is as a small one
_HUGE = 2.4


@dataclass(frozen=True)
class Plain:
    """`image`: (h, w, 3) float32; `things`: from back to front; `facts`: what they show."""

    image: np.ndarray
    things: list[Seen]
    facts: Facts


def compose(wish: Wish, size: tuple[int, int], art: Library, rng: np.random.Generator) -> Plain | None:
    """A picture that shows what is wished; None where these things don't fit so."""
    holder = _holder(wish, rng)
    coloured = holder is not None or wish.relation == "前面"  # black before black is not told apart
    sources = [name for name in art.sources if not (coloured and name in MONOCHROME)]
    source = sources[int(rng.integers(len(sources)))]
    pieces = _pieces(wish, holder, source, art, rng)
    if pieces is None:
        return None
    name, ground = _ground(size, rng)
    layout = _layout(wish, holder, pieces, size, rng)
    if layout is None:
        return None
    things, sizes = layout
    if not _all_seen(wish, things, ground, size):
        return None
    image = ground.copy()
    for placed in things:
        paste(image, placed)
    groups = tuple(
        Group.of(piece.noun, count, how) for piece, count, how in zip(pieces, wish.counts, sizes, strict=False)
    )
    facts = Facts(wish.kind, pieces[0].style, name, groups, wish.relation, holder.group if holder else None)
    hidden = covered(things, size)
    shown = [Seen(placed.group, placed.box, share) for placed, share in zip(things, hidden, strict=True)]
    return Plain(image, shown, facts)


def _all_seen(wish: Wish, things: list[Placed], ground: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether all are whole, stand out from the ground, and hide little of each other."""
    if not all(inside(placed, size) for placed in things):
        return False
    behind = ground.copy()
    for placed in things:
        if (placed.group >= 0 or placed is things[0]) and not stands_out(placed, behind):
            return False
        if wish.relation == "前面" or placed.group < 0:
            paste(behind, placed)
    if wish.relation in ("上面", "下面") and not _one_over_the_other(things):
        return False
    hidden = covered(things, size)
    return all(share <= MOST_COVERED for share, placed in zip(hidden, things, strict=True) if placed.group >= 0)


def _one_over_the_other(things: list[Placed]) -> bool:
    """Whether the first and the last group share columns."""
    first = [placed.box for placed in things if placed.group == things[0].group]
    last = [placed.box for placed in things if placed.group == things[-1].group]
    left = max(min(box[0] for box in group) for group in (first, last))
    right = min(max(box[2] for box in group) for group in (first, last))
    return right - left > 0.5 * min(box[2] - box[0] for box in first + last)


def _holder(wish: Wish, rng: np.random.Generator) -> Holder | None:
    """Something that holds the first group; 上面 and 下面 may be said of two things, too."""
    designs = HOLDERS.get(wish.relation, ())
    if not designs or (wish.relation != "里面" and not wish.held):
        return None
    return designs[int(rng.integers(len(designs)))](rng)


def _pieces(
    wish: Wish, holder: Holder | None, source: str, art: Library, rng: np.random.Generator
) -> list[Piece] | None:
    """A picture for each group, each of another name; None where one is missing."""
    names = list(art.names(source))
    words = {name: art.pieces[source][name][0].noun.word for name in names}
    chosen: list[str] = []
    for number in range(1 if holder else len(wish.counts)):
        fitting = [name for name in names if all(apart(words[name], words[other]) for other in chosen)]
        if holder and holder.only:
            fitting = [name for name in fitting if words[name] in holder.only]
        if wish.relation == "前面":
            fitting = [name for name in fitting if (words[name] in BUILDINGS) == (number == 1)]
            fitting = [name for name in fitting if number == 1 or art.pieces[source][name][0].noun.place == "land"]
        if wish.kind == "size" and number == 1 and rng.random() < 0.5:
            fitting = chosen
        if not fitting:
            return None
        chosen.append(fitting[int(rng.integers(len(fitting)))])
    pieces = [measured(_one(art.pieces[source][name], rng)) for name in chosen]
    whole = [piece for piece in pieces if piece is not None]
    return whole if len(whole) == len(pieces) else None


def _one(pieces: Sequence[Piece], rng: np.random.Generator) -> Piece:
    return pieces[int(rng.integers(len(pieces)))]


def apart(first: str, second: str) -> bool:
    """Whether nobody calls the one thing by the other's name: 猫 and 黑猫 are not told apart by a count."""
    return first != second and first not in second and second not in first


def _ground(size: tuple[int, int], rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """A ground (h, w, 3) and its name: white, a colour, or a gradient from a colour above to another below."""
    width, height = size
    names = list(NAMED_COLOURS)
    draw = rng.random()
    first, second = (str(name) for name in rng.choice(names, 2, replace=False))
    if draw < _WHITE:
        first, second = "白色", ""
    elif draw < 1 - _GRADIENT:
        second = ""
    upper = np.array(NAMED_COLOURS[first], np.float32) / 255
    lower = np.array(NAMED_COLOURS[second or first], np.float32) / 255
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    ground = upper + (lower - upper) * share + np.zeros((height, width, 3), np.float32)
    return (f"{first}到{second}渐变" if second else first), ground


# Where things are


def _layout(
    wish: Wish, holder: Holder | None, pieces: list[Piece], size: tuple[int, int], rng: np.random.Generator
) -> tuple[list[Placed], list[str]] | None:
    """The things from back to front, and how large the groups are drawn."""
    if holder:
        return _held(wish, holder, pieces[0], size, rng), [""]
    if wish.kind == "size":
        return _sized(pieces, size, rng)
    if wish.relation == "前面":
        return _before(wish, pieces, size, rng), ["", ""]
    boxes = _boxes(wish, size, rng)
    things: list[Placed] = []
    for number, (piece, count, box) in enumerate(zip(pieces, wish.counts, boxes, strict=True)):
        things += spread(piece, count, number, box, rng, low=wish.relation == "旁边")
    if wish.relation == "旁边":
        things = _lifted(things, round(min(placed.y for placed in things) * float(rng.uniform(0, 0.8))))
    return things, [""] * len(pieces)


def _lifted(things: list[Placed], up: int) -> list[Placed]:
    """The same, higher by `up` pixels."""
    return [Placed(thing.drawing, thing.x, thing.y - up, thing.group) for thing in things]


def _whole(size: tuple[int, int], rng: np.random.Generator) -> Box:
    """The part of the picture that is used: all but a margin, at times less."""
    width, height = size
    margin = min(size) * _MARGIN * float(rng.uniform(1, 2.2))
    return margin, margin, width - margin, height - margin


def _boxes(wish: Wish, size: tuple[int, int], rng: np.random.Generator) -> list[Box]:
    """A box for each group: side by side, one above the other, or the whole picture for one."""
    left, top, right, bottom = _whole(size, rng)
    weights = np.sqrt(np.array(wish.counts, float))
    edges = np.concatenate([[0], np.cumsum(weights / weights.sum())])
    upright = wish.relation in ("上面", "下面") or (wish.relation == "" and rng.random() < 0.25)
    gap = min(size) * 0.02
    if wish.relation == "旁边":
        gap = 0.0
    if upright:
        if wish.relation:  # the one over the other, not far to its side
            spare = (right - left) * 0.16
            left, right = left + spare, right - spare
        rows = top + edges * (bottom - top)
        boxes = [(left, float(a) + gap, right, float(b) - gap) for a, b in itertools.pairwise(rows)]
        return boxes[::-1] if wish.relation == "下面" else boxes
    columns = left + edges * (right - left)
    boxes = [(float(a) + gap, top, float(b) - gap, bottom) for a, b in itertools.pairwise(columns)]
    turned = wish.relation == "右边" or (wish.relation == "旁边" and rng.random() < 0.5)
    return _turned(boxes, wish, left, right) if turned else boxes


def _turned(boxes: list[Box], wish: Wish, left: float, right: float) -> list[Box]:
    """The same from right to left."""
    return [(left + right - box[2], box[1], left + right - box[0], box[3]) for box in boxes]


def _cells(count: int, box: Box, rng: np.random.Generator) -> list[Box]:
    """`count` boxes within one: in a row, in a column, or in two rows."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    if count == 1:
        return [box]
    two_rows = count > 2 and 0.6 < width / height < 1.8 and (count == 4 or rng.random() < 0.6)
    if two_rows:
        first = count // 2
        middle = (top + bottom) / 2
        rows = [(first, (left, top, right, middle)), (count - first, (left, middle, right, bottom))]
        cells = [_slot(i, number, row) for number, row in rows for i in range(number)]
        return [_narrow(cell, width / 2) for cell in cells]
    if width >= height * 0.8:
        return [_slot(i, count, box) for i in range(count)]
    return [(left, top + height * i / count, right, top + height * (i + 1) / count) for i in range(count)]


def _slot(i: int, count: int, box: Box) -> Box:
    left, top, right, bottom = box
    width = (right - left) / count
    return left + width * i, top, left + width * (i + 1), bottom


def _narrow(box: Box, width: float) -> Box:
    """A box no wider than `width`, about the same middle."""
    middle, half = (box[0] + box[2]) / 2, min(width, box[2] - box[0]) / 2
    return middle - half, box[1], middle + half, box[3]


def spread(
    piece: Piece, count: int, number: int, box: Box, rng: np.random.Generator, low: bool = False, fill: float = 1.0
) -> list[Placed]:
    """`count` copies in a box, about as large as each other, some turned round; `low`: on the box's lower edge."""
    cells = [_slot(i, count, box) for i in range(count)] if low else _cells(count, box, rng)
    across, down = piece.shape
    longer = min(min((c[2] - c[0]) / across, (c[3] - c[1]) / down) for c in cells) * fill
    longer *= float(rng.uniform(0.72, 0.94))
    turns = piece.noun.alive and rng.random() < 0.6
    things = []
    for cell in cells:
        drawing = piece.draw(longer * float(rng.uniform(0.92, 1.0)))
        if turns and rng.random() < 0.5:
            drawing = mirrored(drawing)
        things.append(_put(drawing, cell, number, rng, low))
    return things


def _put(drawing: np.ndarray, box: Box, number: int, rng: np.random.Generator, low: bool) -> Placed:
    height, width = drawing.shape[:2]
    free = box[2] - box[0] - width, box[3] - box[1] - height
    x = box[0] + free[0] * (0.5 + float(rng.uniform(-0.4, 0.4)))
    y = box[1] + free[1] * (1.0 if low else 0.5 + float(rng.uniform(-0.4, 0.4)))
    return Placed(drawing, round(x), round(y), number)


def _held(wish: Wish, holder: Holder, piece: Piece, size: tuple[int, int], rng: np.random.Generator) -> list[Placed]:
    """The holder and what it holds."""
    width, height = size
    side = min(width / max(holder.aspect, 1), height) * float(rng.uniform(0.82, 0.94))
    across, down = round(side * holder.aspect), round(side)
    x = round((width - across) * float(rng.uniform(0.2, 0.8)))
    y = round((height - down) * float(rng.uniform(0.3, 0.8)))
    left, top, right, bottom = holder.room
    room = (x + left * across, y + top * down, x + right * across, y + bottom * down)
    things = [Placed(drawn(holder.back, across, down), x, y, -1)]
    held = spread(piece, wish.counts[0], 0, room, rng, low=holder.stands, fill=1.06)
    if holder.stands and wish.counts[0] > 1:
        held = _in_a_row(piece, wish.counts[0], room, rng)
    things += held
    if holder.front:
        things.append(Placed(drawn(holder.front, across, down), x, y, -1))
    return things


def _in_a_row(piece: Piece, count: int, box: Box, rng: np.random.Generator) -> list[Placed]:
    """Beside each other on the box's lower edge."""
    longer = min((box[2] - box[0]) / count / piece.shape[0], (box[3] - box[1]) / piece.shape[1]) * 0.92
    return [_put(piece.draw(longer), _slot(i, count, box), 0, rng, low=True) for i in range(count)]


def _sized(pieces: list[Piece], size: tuple[int, int], rng: np.random.Generator) -> tuple[list[Placed], list[str]]:
    """A large thing and a small one, side by side."""
    left, top, right, bottom = _whole(size, rng)
    huge = rng.random() < 0.5
    ratio = float(rng.uniform(_HUGE, 3.0) if huge else rng.uniform(_LARGER, 2.2))
    words = ["巨大的", "小小的"] if huge else ["大", "小"]
    split = left + (right - left) * (0.5 + 0.5 * (ratio - 1) / (ratio + 1)) * 0.96
    big = spread(pieces[0], 1, 0, (left, top, split, bottom), rng, low=True)[0]
    longer = max(big.drawing.shape[:2]) / ratio
    small_drawing = pieces[1].draw(longer)
    small = _put(small_drawing, (split, top, right, bottom), 1, rng, low=True)
    small = Placed(small.drawing, small.x, big.box[3] - small.drawing.shape[0], 1)
    things = _lifted([big, small], round((big.y - top) * float(rng.uniform(0, 0.7))))
    if rng.random() < 0.5:
        things = [Placed(thing.drawing, size[0] - thing.box[2], thing.y, thing.group) for thing in things]
    return things, words


def _before(wish: Wish, pieces: list[Piece], size: tuple[int, int], rng: np.random.Generator) -> list[Placed]:
    """Small things before a large one, whose foot they hide a little of."""
    left, top, right, bottom = _whole(size, rng)
    room = top, bottom
    behind = spread(pieces[1], 1, 1, (left, room[0], right, room[0] + (room[1] - room[0]) * 0.84), rng, low=True)[0]
    wide, count = behind.box[2] - behind.box[0], wish.counts[0]
    tall = (behind.box[3] - behind.box[1]) * float(rng.uniform(0.3, 0.4))
    across, down = pieces[0].shape
    longer = min(tall / down, wide * 0.78 / count / across)
    foot = min(behind.box[3] + tall * float(rng.uniform(0.3, 0.5)), bottom)
    things = [behind]
    for i in range(count):
        drawing = pieces[0].draw(longer)
        share = 0.5 + (i - (count - 1) / 2 + float(rng.uniform(-0.07, 0.07))) * 0.9 / count
        middle = behind.box[0] + wide * share
        things.append(Placed(drawing, round(middle - drawing.shape[1] / 2), round(foot - drawing.shape[0]), 0))
    return things
