"""What a training run learns from, and how its pictures and captions are shown."""

from dataclasses import dataclass

from pai_modelscope.config.option import option
from pai_modelscope.config.training import MOST

MOST_PIXELS = 8192  # a side
MOST_WORKERS = 256


@dataclass
class DataOptions:
    """The training set, and how its pictures and captions are shown."""

    train_data_dir: str = option(
        "", help="folder, file, shipped:food, or the id of a data set on ModelScope or Hugging Face"
    )
    image_column: str = option("image", help="of tables and metadata files")
    caption_column: str = option("text", help="of tables and metadata files")
    conditioning_image_column: str | None = option(None, help="what a ControlNet is to follow")
    mask_column: str | None = option(None, help="where the loss counts")
    max_train_samples: int | None = option(None, help="only the first so many", minimum=1, maximum=MOST)
    replay_data_dir: str | None = option(
        None, help="what the model knows already, shown in between so that it is not forgotten"
    )
    replay_share: float = option(0.5, help="of the samples that come from there", above=0, below=1)
    resolution: int = option(
        256, help="pixels a side, or the root of the area of other shapes", minimum=8, maximum=MOST_PIXELS
    )
    aspect_buckets: bool = option(False, help="several shapes, so that little is cropped")
    center_crop: bool = option(True, help="else from anywhere")
    random_flip: bool = option(False, help="half of the time as in a mirror; not for pictures with writing in them")
    shuffle_tags: bool = option(False, help="what stands between commas in random order")
    keep_tags: int = option(0, help="the first so many tags stay in their places", minimum=0, maximum=MOST)
    on_broken: str = option(
        "stop", help="'stop' at a picture that can't be read, or 'skip' it", choices=("stop", "skip")
    )
    cache_latents: bool = option(
        False, help="encode every picture, and every caption, once, on disk; for a centre crop"
    )
    cache_dir: str | None = option(None, help="of that; None: in output_dir. Runs may share one")
    dataloader_num_workers: int = option(
        4, help="threads that read pictures", minimum=0, maximum=MOST_WORKERS, modelscope="dataloader.workers_per_gpu"
    )
    dataloader_worker_processes: bool = option(
        False, help="as many processes in their place, with the same pictures: for annotators and transforms in Python"
    )
