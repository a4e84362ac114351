"""Which checkpoints of the PAI-Diffusion family exist, and what is known about each."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from pai_modelscope.errors import UserError

# The terms that EasyNLP's diffusion page names for these models; the weights' cards have the last word.
PAI_LICENCE = "AIGC模型开源特别条款 (Alibaba's special terms for AIGC models)"


@dataclass(frozen=True)
class Entry:
    """One released checkpoint. `unconfirmed` names the fields that no card or hub page was seen for."""

    name: str
    kind: str  # 'base' (a whole text-to-image model), 'lora' or 'controlnet'
    domain: str  # 'artist', 'general', 'food', 'anime', 'scenes'
    resolution: int  # pixels, of its training pictures
    licence: str
    modelscope_id: str | None = None
    huggingface_id: str | None = None
    revision: str | None = None  # on ModelScope; None is its default branch. Hugging Face: its default branch.
    base: str | None = None  # the entry that an adapter was made for
    text_encoder: str = "CLIPTextModel"
    settings: Mapping[str, float | str] = field(
        default_factory=dict
    )  # recommended GenerationOptions; 'scale' for a LoRA
    unconfirmed: tuple[str, ...] = ()
    note: str = ""

    @property
    def shipped(self) -> bool:
        """Whether the model lies inside this package, so that no hub is needed."""
        return self.modelscope_id is None and self.huggingface_id is None


def _pai(
    name: str,
    kind: str,
    domain: str,
    resolution: int = 512,
    *,
    revision: str | None = None,
    base: str | None = None,
    settings: Mapping[str, float | str] | None = None,
    unconfirmed: tuple[str, ...] = (),
    note: str = "",
) -> Entry:
    """One of Alibaba's checkpoints, which have the same name and licence on both hubs."""
    return Entry(
        name,
        kind,
        domain,
        resolution,
        PAI_LICENCE,
        modelscope_id=f"PAI/{name}",
        huggingface_id=f"alibaba-pai/{name}",
        revision=revision,
        base=base,
        settings=settings or {},
        unconfirmed=unconfirmed,
        note=note,
    )


_SD: Mapping[str, float | str] = {"guidance_scale": 7.5}  # what the authors' own snippets and WebUI use
_LORA = {"scale": 0.4}

_MODELS = (
    Entry(
        "pai-diffusion-mini-zh",
        "base",
        "general",
        256,
        "Apache-2.0; its pictures under their own licences, see its README.md",
        note="Ships inside this package, trained by this project; not a release of Alibaba's. "
        "Its recommended settings stand in its configuration.json.",
    ),
    _pai("pai-diffusion-artist-large-zh", "base", "artist", revision="v1.0.0", settings=_SD),
    _pai("pai-diffusion-artist-xlarge-zh", "base", "artist", 768, settings=_SD),
    _pai("pai-diffusion-general-large-zh", "base", "general", settings=_SD, unconfirmed=("licence",)),
    _pai("pai-diffusion-general-xlarge-zh", "base", "general", 768, settings=_SD, unconfirmed=("licence",)),
    _pai("pai-diffusion-food-large-zh", "base", "food", settings=_SD),
    _pai(
        "pai-diffusion-anime-large-zh",
        "base",
        "anime",
        768,
        settings=_SD,
        unconfirmed=("modelscope_id", "resolution", "licence"),
        note="EasyNLP's WebUI draws it at 768 pixels.",
    ),
)
_ADAPTERS = (
    Entry(
        "pai-diffusion-mini-zh-controlnet-canny",
        "controlnet",
        "general",
        256,
        "Apache-2.0; its pictures under their own licences, see its README.md",
        base="pai-diffusion-mini-zh",
        note="Ships inside this package as a low-rank control adapter, trained by this project.",
    ),
    Entry(
        "pai-diffusion-mini-zh-controlnet-sketch",
        "controlnet",
        "scenes",
        256,
        "Apache-2.0; see its README.md",
        base="pai-diffusion-mini-zh",
        note="Follows rough sketches in colours (涂鸦成山水). Ships inside this package as a low-rank control adapter.",
    ),
    _pai(
        "pai-diffusion-artist-large-zh-lora-poem",
        "lora",
        "artist",
        base="pai-diffusion-artist-large-zh",
        settings=_LORA,
        unconfirmed=("modelscope_id", "licence"),
    ),
    _pai(
        "pai-diffusion-artist-large-zh-lora-25d",
        "lora",
        "artist",
        base="pai-diffusion-artist-large-zh",
        settings=_LORA,
        unconfirmed=("modelscope_id", "licence"),
    ),
    _pai(
        "pai-diffusion-artist-large-zh-controlnet-canny",
        "controlnet",
        "artist",
        base="pai-diffusion-artist-large-zh",
        unconfirmed=("modelscope_id",),
    ),
    _pai(
        "pai-diffusion-artist-large-zh-controlnet-depth",
        "controlnet",
        "artist",
        base="pai-diffusion-artist-large-zh",
        unconfirmed=("modelscope_id",),
    ),
    _pai(
        "pai-diffusion-general-large-zh-controlnet-depth",
        "controlnet",
        "general",
        base="pai-diffusion-general-large-zh",
        unconfirmed=("modelscope_id", "licence"),
    ),
)
_TAIYI = (
    # Its bilingual sister (Chinese-EN) encodes text with BertForTokenClassification: not of this family.
    Entry(
        "Taiyi-Stable-Diffusion-1B-Chinese-v0.1",
        "base",
        "general",
        512,
        "CreativeML OpenRAIL-M",
        modelscope_id="Fengshenbang/Taiyi-Stable-Diffusion-1B-Chinese-v0.1",
        huggingface_id="IDEA-CCNL/Taiyi-Stable-Diffusion-1B-Chinese-v0.1",
        revision="v1.0.0",
        text_encoder="BertModel",
        settings={**_SD, "negative_prompt": "广告, ，, ！, 。, ；, 资讯, 新闻, 水印"},
        unconfirmed=("modelscope_id", "revision"),
        note="The negative prompt is its handbook's.",
    ),
)
ENTRIES: tuple[Entry, ...] = _MODELS + _ADAPTERS + _TAIYI


def entries() -> tuple[Entry, ...]:
    """List every checkpoint that the zoo knows: base models first, then adapters, then Taiyi."""
    return ENTRIES


def lookup(name: str) -> Entry | None:
    """Find the entry of that name or hub id, in any letter case; None when the zoo has none."""
    wanted = str(name).strip().casefold()
    return next((entry for entry in ENTRIES if wanted in map(str.casefold, names(entry))), None)


def find(name: str) -> Entry:
    """Find the entry of that name or hub id; UserError with the nearest names when the zoo has none."""
    entry = lookup(name)
    if entry is None:
        raise UserError(f"the zoo has no model {str(name)!r}. {suggestion(name)}")
    return entry


def names(entry: Entry) -> list[str]:
    """List what the entry may be called: its name and its ids on the hubs."""
    return [name for name in (entry.name, entry.modelscope_id, entry.huggingface_id) if name]


def suggestion(name: str) -> str:
    """Write a sentence for an error: the names that the user may have meant, else where to look."""
    wanted = str(name).strip().casefold().rsplit("/", 1)[-1]
    known = {entry.name.casefold(): entry.name for entry in ENTRIES}
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.6)
    near += [other for other in known if len(wanted) > 2 and wanted in other and other not in near]
    if not near:
        return "`pai-modelscope zoo list` shows the names that it knows."
    return f"Did you mean {' or '.join(known[name] for name in near[:3])}?"
