"""DreamBooth's pictures of the class, which keep a model from forgetting it (Ruiz et al. 2023, arXiv:2208.12242).

What trains is full fine-tuning's or LoRA's: a few pictures of a thing, captioned by a rare word and its class, and
beside them the model's own pictures of the class, captioned by the class alone and weighed by the prior's weight.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from tqdm.auto import tqdm

from pai_modelscope.data.combined import join, mix
from pai_modelscope.data.examples import TrainingSet, Unread, UnreadReader
from pai_modelscope.data.folders import pictures_in
from pai_modelscope.data.latent_cache import weights_digest
from pai_modelscope.data.stored_pictures import PictureFile
from pai_modelscope.errors import UserError
from pai_modelscope.images.infotext import write_png
from pai_modelscope.sampling import Sampler


def class_pictures(
    sampler: Sampler,
    prompt: str,
    count: int,
    cache: str | os.PathLike[str],
    *,
    seed: int = 0,
    resolution: int | None = None,
    progress: bool = True,
    **options: object,
) -> list[Path]:
    """`count` pictures of the class `prompt` (猫, never the instance's word), drawn where they are not there yet.

    Pictures of the user's own that lie in `cache` itself come first, by their names, as in diffusers' script. Those
    that are drawn lie in a folder of `cache` that belongs to the model's weights, the prompt, `seed`, `resolution` and
    `options`; the seed of the picture i is `seed` + i. So a call that was cut off goes on, and a larger `count` only
    adds.

    resolution: pixels a side; None: the model's own. options: of `GenerationOptions`, such as num_inference_steps.

    Raises `UserError` for an empty prompt, a count below 1, and options that can't work.
    """
    if not prompt.strip() or count < 1:
        raise UserError(f"class pictures need a prompt and a count of at least 1; they are {prompt!r} and {count}")
    settings = {**options, **({"height": resolution, "width": resolution} if resolution else {})}
    brought = [*islice(pictures_in(Path(cache)), count)] if Path(cache).is_dir() else []
    count -= len(brought)
    folder = Path(cache) / _key(sampler, prompt, seed, settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"{folder} can't be made ({why}): give another class_data_dir or output_dir.") from None
    paths = [folder / f"{place:05d}.png" for place in range(count)]
    missing = [place for place, path in enumerate(paths) if not path.exists()]
    texts = [{"text": prompt, "seed": seed + place} for place in missing]
    bar = tqdm(total=count, initial=count - len(missing), desc=f"class pictures: {prompt}", disable=not progress)
    with bar:
        for picture in sampler.stream(texts, callback=None, **settings) if texts else ():
            write_png(picture.image, paths[missing[picture.index]], picture.infotext)
            bar.update()
    return [*brought, *paths]


def class_examples(pictures: Sequence[Path], prompt: str) -> TrainingSet:
    """Pictures of the class with its prompt as their caption."""
    return UnreadReader([Unread(path.name, [prompt], PictureFile(path, path.name)) for path in pictures])


def warn_of_other_words(instances: TrainingSet, prompt: str) -> None:
    """Pictures that bring captions of their own learn those: say so where none of them learns the prompt."""
    captions = [caption for place in range(len(instances)) for caption in instances[place].captions]
    if captions and prompt not in captions:
        warnings.warn(
            f"No picture learns the instance_prompt {prompt!r}: each has its own caption, such as {captions[0]!r}, "
            "from a text beside it, a row, or its folder's name.",
            stacklevel=2,
        )


def with_class_pictures(instances: TrainingSet, classes: TrainingSet, prior_loss_weight: float = 1.0) -> TrainingSet:
    """Both sets as one, in equal shares: the smaller is repeated until it is as large.

    See `mix`; the loss of a class picture counts `prior_loss_weight` times.
    """
    if not len(instances) or not len(classes):
        raise UserError(f"there are {len(instances)} pictures of the thing and {len(classes)} of its class; give both")
    if not prior_loss_weight >= 0:
        raise UserError(f"prior_loss_weight is {prior_loss_weight}; it must be 0 or more, such as 1")
    return mix(instances, join([classes], [prior_loss_weight]), 0.5)


def _key(sampler: Sampler, prompt: str, seed: int, settings: Mapping[str, object]) -> str:
    """The folder's name; it begins with the prompt, for people to find."""
    pipe = sampler.pipe
    parts = [weights_digest(part) for part in (pipe.unet, pipe.text_encoder, pipe.vae)]
    inputs = [parts, dict(sampler.recommended), str(pipe.dtype), prompt, seed, settings]
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()
    readable = "".join(char if char.isalnum() else "-" for char in prompt)[:20]
    return f"{readable}-{digest[:16]}"
