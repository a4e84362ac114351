"""Portraits with exact attributes: DiceBear draws them in Node from options that are chosen here."""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image, ImageChops

from pai_modelscope.data.render import on_background, render_svg
from recipes.collections.licenses import LicenseError, agreed_license
from recipes.collections.pictures import LeftOut, Picture
from recipes.collections.portrait_captions import BALD, captions, person
from recipes.collections.portrait_styles import STYLES, Choice, Feature, Style
from recipes.mini.dataset.packages import load_json, package_version

SEED = "pai-diffusion-mini-zh/portraits/1"
SEEN_SIZE = 96
SEEN_PIXELS = 14  # of 96 x 96: a tenth of the face's width each way
SEEN_LEVELS = 32  # of 256, in the channel that changes most
_GROUND = (170, 190, 205)  # neither hair, skin nor cloth
_VIEW_BOX = re.compile(r'viewBox="([^"]*)"')
_FRAME_SIZE = 192
_WIDE = 1.6  # of the style's frame: no hair reaches further
_AIR = 0.07  # of the drawing, on each side
_COVERED_EYES = {"墨镜", "眼罩", "紫色眼罩"}
_SEEN_IN_EYES = {"生气", "害怕", "疲惫", "严肃", "困倦", "困惑", "星星眼", "眨着眼睛", "面无表情"}
_DRAW = Path(__file__).with_name("draw_portraits.mjs")
_DESIGN = re.compile(r"^# Design$.*?^License: (.+?) \(http", re.MULTILINE | re.DOTALL)
# Free designs that are no portraits, or whose parts have no words: a reason for each.
PASSED_OVER = {
    "big-ears": "its expressions have no words",
    "croodles": "its doodles have no words",
    "fun-emoji": "repeats emoji",
    "icons": "black signs",
    "thumbs": "no people",
}
_NEUTRAL = "a face without hair or clothes"
_ABSTRACT = "an abstract pattern"
PASSED_OVER |= {
    f"{name}-neutral": _NEUTRAL for name in ("adventurer", "big-ears", "croodles", "lorelei", "notionists", "pixel-art")
}
PASSED_OVER |= dict.fromkeys(("glass", "identicon", "initials", "rings", "shapes"), _ABSTRACT)


@dataclass
class Draft:
    """The choices of one portrait: a value for each option, and for each choice the options of another in its place."""

    options: dict[str, Any]
    chosen: list[Choice]
    others: list[dict[str, Any] | None]
    person: str = ""
    seen: dict[str, str] = field(default_factory=dict)


def read(npm: Path, number: int, left_out: LeftOut) -> Iterator[Picture]:
    """Draw `number` portraits in each style whose design has an allowed licence.

    Raises:
        RuntimeError: Node is missing or fails, or a style of the collection is neither drawn nor passed over.
    """
    drawn = {style.package: style for style in STYLES}
    packages = sorted(load_json(npm / "@dicebear/collection/package.json")["dependencies"])
    metas = dict(
        zip(packages, node(npm, [{"meta": name.removeprefix("@dicebear/")} for name in packages]), strict=True)
    )
    for package in packages:
        name = package.removeprefix("@dicebear/")
        meta = metas[package]
        try:
            license = design_license(npm / package, meta)
        except LicenseError as error:
            left_out.add(f"dicebear-{name}", str(error))
            continue
        if name in drawn:
            yield from _portraits(npm, drawn[name], number, license, meta, left_out)
        elif name in PASSED_OVER:
            left_out.add(f"dicebear-{name}", PASSED_OVER[name])
        else:
            raise RuntimeError(f"{package} has no entry in STYLES and no reason in PASSED_OVER; write one.")


def design_license(package: Path, meta: dict[str, Any]) -> str:
    """Return the licence of a style's design, which is not that of its code.

    The LICENSE file, the module and, for a licence that asks for attribution, package.json must agree.

    Raises:
        LicenseError: they do not, or the licence is not allowed.
    """
    text = (package / "LICENSE").read_text(encoding="utf-8")
    match = _DESIGN.search(text)
    declared = load_json(package / "package.json").get("license", "")
    # A style without a part "Design" has one licence for everything, and package.json names it.
    license = agreed_license([match[1] if match else declared, meta.get("license", {}).get("name")])
    if license.startswith("CC-BY") and license not in declared:
        raise LicenseError(f"licences differ: {license} and {declared}")
    return license


def node(npm: Path, requests: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask `draw_portraits.mjs`, and return an answer for each request.

    Raises:
        RuntimeError: there is no Node, or it fails.
    """
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    try:
        run = subprocess.run(["node", str(_DRAW), str(npm)], input=lines, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise RuntimeError(
            "DiceBear's portraits are drawn by Node, which is missing; install Node 18 or newer."
        ) from error
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"Node failed at DiceBear: {error.stderr.strip()[-500:]}") from error
    return [json.loads(line) for line in run.stdout.splitlines()]


def draft(style: Style, chance: Random) -> Draft:
    """Choose a portrait: from each feature one choice, such that nobody is both taken for a woman and for a man."""
    options: dict[str, Any] = {"seed": "one", "backgroundColor": ["transparent"], "clip": False}
    options |= {option: _option(option, values, chance) for option, values in style.fixed.items()}
    result = Draft(options, [], [])
    for feature in style.features:
        fitting = [choice for choice in feature if not choice.person or result.person in ("", choice.person)]
        choice = chance.choices(fitting, [choice.weight for choice in fitting])[0]
        result.person = result.person or choice.person
        result.chosen.append(choice)
        result.options |= _draw(choice, chance)
        other = _other(choice, fitting)
        reset = {
            option: _option(option, style.fixed[option], chance) for option in choice.options if option in style.fixed
        }
        result.others.append(reset | _draw(other, chance) if other else None)
    return result


def _other(choice: Choice, feature: Feature | list[Choice]) -> Choice | None:
    """Return the choice to compare with: nothing, where the feature may be absent, else the one half the list away."""
    differing = [other for other in feature if other.phrase != choice.phrase]
    absent = next((other for other in differing if not other.phrase), None)
    return absent or (
        differing[(list(feature).index(choice) + len(differing) // 2) % len(differing)] if differing else None
    )


def _draw(choice: Choice, chance: Random) -> dict[str, Any]:
    return {option: _option(option, values, chance) for option, values in choice.options.items()}


def _option(option: str, values: tuple[str | int, ...], chance: Random) -> Any:
    """DiceBear takes a share as a number, and a list to choose from, here of one, for all else."""
    return values[0] if option.endswith("Probability") else [chance.choice(values)]


def _portraits(
    npm: Path, style: Style, number: int, license: str, meta: dict[str, Any], left_out: LeftOut
) -> Iterator[Picture]:
    source = f"dicebear-{style.package}"
    version = package_version(npm, f"@dicebear/{style.package}")
    chances = [Random(f"{SEED}/{style.package}/{index}") for index in range(number)]
    drafts = [draft(style, chance) for chance in chances]
    svgs = _svgs(npm, style, drafts)
    taken: set[str] = set()
    for index, (chance, portrait, (svg, others)) in enumerate(zip(chances, drafts, svgs, strict=True)):
        if svg in taken:
            left_out.add(source, "repeats another portrait")
            continue
        taken.add(svg)
        attributes = attributes_seen(portrait, svg, others)
        name = f"{person(attributes)[0]}头像"
        yield Picture(
            id=f"{source}/{index:04d}",
            source=source,
            svg=framed(svg),
            name=name,
            family="collections:portrait",
            en_name=f"portrait {index} in the style {meta['title']}",
            style=style.phrase,
            bare=False,
            license=license,
            author=meta["creator"],
            url=f"https://www.npmjs.com/package/@dicebear/{style.package}/v/{version}",
            attributes=attributes,
            captions=captions(attributes, style.phrase, chance),
        )


def _svgs(npm: Path, style: Style, drafts: list[Draft]) -> list[tuple[str, list[str | None]]]:
    """Each portrait's SVG, and one for each of its choices with another in its place (None where there is no other)."""
    requests, places = [], []
    for portrait in drafts:
        places.append([None if other is None else 1 for other in portrait.others])
        requests.append({"style": style.package, "options": portrait.options})
        requests += [
            {"style": style.package, "options": portrait.options | other}
            for other in portrait.others
            if other is not None
        ]
    answers = iter(node(npm, requests))
    drawn = []
    for row in places:
        svg = _without_metadata(next(answers)["svg"])
        drawn.append((svg, [None if place is None else _without_metadata(next(answers)["svg"]) for place in row]))
    return drawn


def _without_metadata(svg: str) -> str:
    """Author and licence are columns of every record."""
    return re.sub(r"<metadata.*?</metadata>", "", svg, flags=re.DOTALL)


def attributes_seen(portrait: Draft, svg: str, others: list[str | None]) -> dict[str, str]:
    """Return what a viewer can see, by kind: of each choice, whether the picture changes where another is made.

    A colour of hair under a hat, or a mouth behind a mask, changes nothing and is not said.
    """
    picture = _rendered(svg)
    seen: dict[str, str] = {"person": portrait.person} if portrait.person else {}
    for choice, other in zip(portrait.chosen, others, strict=True):
        if choice.phrase and (other is None or differs(picture, _rendered(other))):
            seen |= {choice.attribute: choice.phrase, **choice.also}
    if "hair" not in seen:
        seen.pop("hair_color", None)
    if "clothes" not in seen or (seen["clothes"] == "衣服" and "clothes_color" not in seen):
        seen.pop("clothes", None), seen.pop("clothes_color", None)
    if "hat" not in seen:
        seen.pop("hat_color", None)
    if "hat" in seen and seen.get("hair") in BALD:
        del seen["hair"]  # with hair the picture would change, without it nobody knows
        if "beard" not in seen:
            seen.pop("person", None)
    hidden = "mask" in seen or (bool(_COVERED_EYES & set(seen.values())) and seen.get("expression") in _SEEN_IN_EYES)
    if hidden:
        seen.pop("expression", None)
    return seen


def framed(svg: str) -> str:
    """Return a portrait in a square box that nothing leaves to the left, to the right or at the top.

    The styles cut high hair and long hair at their frame. A bust stands on the lower edge, a head has air around it.
    """
    stated = _VIEW_BOX.search(svg)
    if stated is None:
        raise ValueError("DiceBear drew a portrait without a view box")
    left, top, width, height = map(float, stated[1].split())
    bottom = top + height
    side = _WIDE * width
    unit = side / _FRAME_SIZE
    window = (left - (side - width) / 2, bottom - side, side, side)
    alpha = render_svg(_boxed(svg, window), _FRAME_SIZE).getchannel("A")
    ink = alpha.point(lambda value: 255 * (value > 8)).getbbox()
    if ink is None:
        raise ValueError("DiceBear drew an empty portrait")
    wide, high = (ink[2] - ink[0]) * unit, (ink[3] - ink[1]) * unit
    bust = ink[3] >= _FRAME_SIZE - 2
    side = max(wide * (1 + 2 * _AIR), high * (1 + (_AIR if bust else 2 * _AIR)))
    centre = window[0] + (ink[0] + ink[2]) / 2 * unit
    middle = window[1] + (ink[1] + ink[3]) / 2 * unit
    return _boxed(svg, (centre - side / 2, bottom - side if bust else middle - side / 2, side, side))


def _boxed(svg: str, box: tuple[float, float, float, float]) -> str:
    return _VIEW_BOX.sub(f'viewBox="{" ".join(f"{value:.2f}" for value in box)}"', svg, count=1)


def _rendered(svg: str) -> Image.Image:
    return on_background(render_svg(svg, SEEN_SIZE), _GROUND)


def differs(one: Image.Image, other: Image.Image) -> bool:
    """Say whether two RGB pictures differ in enough pixels by enough to be seen."""
    red, green, blue = ImageChops.difference(one, other).split()
    largest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return sum(largest.histogram()[SEEN_LEVELS:]) >= SEEN_PIXELS
