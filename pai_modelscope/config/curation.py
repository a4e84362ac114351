"""How pairs are scored and selected: what `pai-modelscope curate` takes, as flags and in a configuration file."""

from dataclasses import dataclass

from pai_modelscope.config.option import option

DEFAULT_SCORERS = ("picture", "caption", "thumbnail", "clip")


@dataclass
class CurateOptions:
    """How pairs are scored and selected."""

    scorer: list[str] | None = option(
        None, help="what pairs are scored by, by name; 'nsfw' and those of installed packages are not among the usual",
        absent=", ".join(DEFAULT_SCORERS),
    )  # fmt: skip
    workers: int | None = option(
        None, help="processes that score, a core each", absent="as many as there are cores", minimum=1, maximum=1024
    )
    ray: str | None = option(
        None, help="address of a Ray cluster whose workers score; local: one is started on this machine",
        absent="processes of this machine score",
    )  # fmt: skip
    rows: int = option(
        1000, help="pairs of a shard, at most: what a killed run loses of each worker", minimum=1, maximum=10**6
    )
    image_column: str = option("image", help="what a table calls the picture")
    caption_column: str = option("text", help="what a table calls the caption")
    rule: list[str] | None = option(
        None, help="a pair is kept where this is true of its scores, as in 'clip >= 0.2 and not advert'", absent="none"
    )
    top: int | None = option(
        None, help="of the pairs that the rules keep, only so many, the best by --by", absent="all", minimum=1
    )
    by: str | None = option(None, help="the score whose highest values --top takes", absent="none")
    report: bool = option(True, help="write report.html: counts, scores with pictures, duplicates")
    export: bool = option(True, help="write the kept pairs as a folder with metadata.jsonl")
