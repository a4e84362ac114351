"""Debian's `sweethome3d-furniture`: pictures of 3D models, 128 x 128 pixels, as the package ships them.

The package holds 820 models in five catalogues, each model with a picture that its authors rendered. The pictures are
enough for things in a scene; larger ones would need a renderer for the OBJ files.
"""

import base64
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from recipes.collections.debian import check_version
from recipes.collections.licenses import LicenseError, agreed_license
from recipes.collections.names import EmojiNames, Names, read_table, stands_alone
from recipes.collections.pictures import LeftOut, Picture

SOURCE = "sweethome3d"
STYLE = "三维模型风格"
PIXELS = 128
PACKAGE = "sweethome3d-furniture"
VERSION = "1.8-1"
_FOLDER = Path("usr/share/sweethome3d/furniture")
_URL = "https://www.sweethome3d.com/free-3d-models/"
_AUTHORS = {  # as the LICENSE.TXT of these catalogues asks to be named; the others name an author at each model
    "KatorLegaz": "Andrew Kator & Jennifer Legaz",
    "Scopia": "Scopia Visual Interfaces Systems, s.l. and Emmanuel Puybaret / eTeks",
}
# Realistic people, in poses without words.
_PASSED_OVER = {"Reallusion": "people in poses that have no words"}
_UNLIKE = {
    "BlendSwap-CC-BY/bathroomRadiator",
    "BlendSwap-CC-BY/radiatorAndTowels",
    "KatorLegaz/trunk-large",
    "Scopia/bathroom1",
    "Scopia/bathroom3",
    "Scopia/box_room",
    "Scopia/complements2",
    "Scopia/dining_room",
}
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {0} {0}">'
    '<image width="{0}" height="{0}" xlink:href="data:image/png;base64,{1}"/></svg>'
)
# A catalogue's file gives an address, a model's file says "Released under" and a name.
_STATED = {
    "http://creativecommons.org/choose/zero": "CC0-1.0",
    "http://creativecommons.org/licenses/by/3.0": "CC-BY-3.0",
    "Released under Creative Commons Zero (Public Domain)": "CC0-1.0",
    "Released under Creative Commons Attribution 3.0": "CC-BY-3.0",
}
_MORE = re.compile(r"Attribution.(?:Share|Non|No ?Der)|share.?alike|non.?commercial|by-sa|by-nc", re.IGNORECASE)


def read(debian: Path, emoji: EmojiNames, left_out: LeftOut) -> Iterator[Picture]:
    """Read the models that `names/sweethome3d.tsv` names, by place or by English name, from an unpacked package.

    Raises:
        FileNotFoundError: `debian` holds no unpacked `sweethome3d-furniture`.
        RuntimeError: it is not the version whose pictures were named.
    """
    check_version(debian, PACKAGE, VERSION)
    folder = debian / _FOLDER
    table = read_table(SOURCE)
    for path in sorted(folder.glob("*.sh3f")):
        with zipfile.ZipFile(path) as catalogue:
            yield from _catalogue(catalogue, path.stem, table, emoji, left_out)


def _catalogue(
    catalogue: zipfile.ZipFile, name: str, table: dict[str, Names], emoji: EmojiNames, left_out: LeftOut
) -> Iterator[Picture]:
    models = read_models(catalogue.read("PluginFurnitureCatalog.properties").decode("latin-1"))
    for model in models:
        title, place = model["name"], f"{name}/{Path(model['icon']).stem}"
        if name in _PASSED_OVER:
            left_out.add(SOURCE, _PASSED_OVER[name])
        elif place in _UNLIKE:
            left_out.add(SOURCE, "looks like something else")
        elif place not in table and title not in table:
            left_out.add(SOURCE, "no Chinese name written")
        else:
            try:
                license = model_license(catalogue, model)
            except LicenseError as error:
                left_out.add(SOURCE, str(error))
                continue
            names = table.get(place) or table[title]
            yield Picture(
                id=f"{SOURCE}/{place}",
                source=SOURCE,
                svg=_SVG.format(PIXELS, base64.b64encode(catalogue.read(model["icon"].lstrip("/"))).decode()),
                pixels=PIXELS,
                name=names.name,
                aliases=list(names.aliases),
                keywords=emoji.keywords(names),
                family=emoji.family(names),
                en_name=title,
                style=STYLE,
                bare=stands_alone(names),
                license=license,
                author=_AUTHORS.get(name) or model.get("creator", ""),
                url=_URL,
            )


def read_models(properties: str) -> list[dict[str, str]]:
    """Return the numbered entries (`name#7=Bed`) of a catalogue, one mapping a model, in the catalogue's order."""
    models: dict[int, dict[str, str]] = {}
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*?)\r?$", properties, re.MULTILINE):
        models.setdefault(int(number), {})[key] = value.strip()
    return [model for _, model in sorted(models.items()) if "name" in model and "icon" in model]


def model_license(catalogue: zipfile.ZipFile, model: dict[str, str]) -> str:
    """Return the licence that the catalogue's file and the files beside the model agree on.

    Raises:
        LicenseError: they don't, one is not allowed, or the catalogue states none.
    """
    folder = model.get("model", "").lstrip("/").rpartition("/")[0]
    texts = [catalogue.read("LICENSE.TXT")]
    texts += [
        catalogue.read(name)
        for name in catalogue.namelist()
        if folder and name.startswith(f"{folder}/") and name.lower().endswith(".txt")
    ]
    return agreed_license(_stated(text.decode("latin-1")) for text in texts)


def _stated(text: str) -> str | None:
    text = " ".join(text.split())
    if _MORE.search(text):
        return "more than attribution is asked for"
    return next((license for words, license in _STATED.items() if words in text), None)
