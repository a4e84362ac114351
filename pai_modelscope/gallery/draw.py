"""Pictures of the gallery: drawn by running the Python that the page shows, and kept by what they depend on."""

import hashlib
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from pai_modelscope import __version__
from pai_modelscope.errors import UserError, reason
from pai_modelscope.files import whole
from pai_modelscope.gallery.index import Entry
from pai_modelscope.zoo import model_dir

if TYPE_CHECKING:
    from pai_modelscope.sampling import Sampler

_ASSETS = Path(__file__).parents[1] / "assets"


def draw(entries: Sequence[Entry], kept: Path) -> dict[str, list[Image.Image]]:
    """Draw pictures, by the entry's key: one, or a pair's before and after. What was drawn lies in the folder `kept`.

    Entries whose model is a training result that does not exist are left out, with one warning that names them.
    Raises `UserError` if an entry's Python fails.
    """
    from tqdm import tqdm

    missing = absent(entries)
    if missing:
        folders = ", ".join(sorted({entry.model for entry in missing}))
        warnings.warn(
            f"{len(missing)} pictures are left out, as what they show is not trained yet: {folders} "
            "('make notebooks' trains)",
            stacklevel=2,
        )
    kept.mkdir(parents=True, exist_ok=True)
    artist = _Artist()
    drawn = {}
    for entry in tqdm(
        [wanted for wanted in entries if wanted not in missing], unit="picture", disable=None, leave=False
    ):
        paths = [
            kept / f"{_digest(entry)}-{part}.png" for part in (("before", "after") if entry.pair else ("picture",))
        ]
        if not all(path.exists() for path in paths):
            for path, picture in zip(paths, artist.run(entry), strict=True):
                _save(picture, path)
        drawn[entry.key] = [_open(path) for path in paths]
    return drawn


def absent(entries: Sequence[Entry]) -> list[Entry]:
    """List entries that cannot be drawn, for nobody has trained their model here."""
    return [entry for entry in entries if entry.needs_training and not Path(entry.model).is_dir()]


class _Artist:
    """Runs the entries' Python, with one open model at a time: entries of one model stand together."""

    def __init__(self) -> None:
        self._model = ""
        self._sampler: Sampler | None = None

    def run(self, entry: Entry) -> list[Image.Image]:
        """Raises `UserError` if the Python fails, or leaves no picture."""
        from pai_modelscope.sampling import Sampler

        if self._model != entry.model:
            self._model, self._sampler = entry.model, Sampler.from_pretrained(entry.model, device="cpu")
        names: dict[str, object] = {"Sampler": Sampler, "sampler": self._sampler}
        try:
            exec(entry.python, names)  # the index is a source file of the project, as trusted as its Python
        except Exception as error:
            raise UserError(
                f"the Python of {entry.caption!r} fails: {type(error).__name__}, {reason(error)}"
            ) from error
        pictures = [names.get(name) for name in (("before", "picture") if entry.pair else ("picture",))]
        images = [picture for picture in pictures if isinstance(picture, Image.Image)]
        if len(images) < len(pictures):
            raise UserError(f"the Python of {entry.caption!r} leaves no picture: it must set `picture` to a PIL image")
        return images


def _digest(entry: Entry) -> str:
    """Changes with the code of the entry, the weights, and the version of the package."""
    parts = (__version__, entry.python, _weights(entry.model), _weights("pai-diffusion-mini-zh"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


@cache
def _weights(model: str) -> str:
    """What a model consists of, the shipped ControlNets included, which any entry may ask for."""
    digest = hashlib.sha256()
    for folder in (model_dir(model), *sorted(_ASSETS.glob("pai-diffusion-mini-zh-controlnet-*"))):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".json", ".safetensors"):
                digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _save(picture: Image.Image, path: Path) -> None:
    try:
        with whole(path) as partial:
            picture.save(partial, "PNG")
    except OSError as error:
        raise UserError(
            f"{path} can't be written ({error.strerror or error}): make room or give another folder"
        ) from None


def _open(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")
