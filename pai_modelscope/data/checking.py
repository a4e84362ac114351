"""Every picture of a training set is opened once before hours are spent on it."""

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from tqdm.auto import tqdm

from pai_modelscope.config.option import Bounds, problem_of_number
from pai_modelscope.data.examples import Example, TrainingSet
from pai_modelscope.data.geometry import check_same_aspect
from pai_modelscope.errors import UserError

_NAMED = 3  # broken pictures in a message


class Scanned:
    """The sound examples of a training set.

    `broken`: what is wrong with each of the others, one sentence each.
    """

    def __init__(self, examples: Sequence[Example], broken: Sequence[str] = ()):
        self._examples, self.broken = examples, tuple(broken)

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, place: int) -> Example:
        return self._examples[place]

    def __iter__(self) -> Iterator[Example]:
        return iter(self._examples)

    @property
    def report(self) -> str:
        """How many are broken, and the first of them; empty if all are sound."""
        if not self.broken:
            return ""
        first = " ".join(self.broken[:_NAMED])
        more = f" ... and {len(self.broken) - _NAMED} more." if len(self.broken) > _NAMED else ""
        return f"{len(self.broken)} broken, {len(self)} sound: {first}{more}"


def scan(training_set: TrainingSet, on_broken: str = "stop", quick: bool = False, workers: int = 4) -> Scanned:
    """Open every picture of a set, with its condition and mask, and tell the sound from the broken.

    Args:
        on_broken: 'stop' raises, after all were opened, so that they can be mended at once; 'skip' leaves them out
            and warns.
        quick: read heads alone: many times faster, but what is cut off or damaged later on goes unnoticed.
        workers: threads.

    Raises:
        UserError: a picture is broken and `on_broken` is 'stop'; none is sound; `on_broken` is neither; no number of
            `workers` from 1 on.
    """
    if wrong := problem_of_number("workers", workers, whole=True, bounds=Bounds(minimum=1)):
        raise UserError(f"{wrong}.")
    if on_broken not in ("stop", "skip"):
        raise UserError(f"on_broken is {on_broken!r}; valid are 'stop' and 'skip'.")
    sound: list[Example] = []
    broken: dict[str, None] = {}  # in order, and those that repeat once
    verdicts: dict[Example, str] = {}  # of examples that stand at several places
    with ThreadPoolExecutor(workers) as pool:
        opened = pool.map(lambda place: _open(training_set, place, quick, verdicts), range(len(training_set)))
        for example, problem in tqdm(opened, total=len(training_set), desc="pictures", disable=None):
            if example is None or problem:
                broken[problem] = None
            else:
                sound.append(example)
    result = Scanned(sound, tuple(broken))
    if not sound:
        raise UserError(f"No picture of the training set can be used. {result.report}")
    if broken and on_broken == "stop":
        raise UserError(f"{result.report} Mend or remove them, or skip broken pictures.")
    if broken:
        warnings.warn(f"{result.report} The broken are left out.", stacklevel=2)
    return result


def _open(
    training_set: TrainingSet, place: int, quick: bool, verdicts: dict[Example, str]
) -> tuple[Example | None, str]:
    try:
        example = training_set[place]
    except UserError as error:
        return None, str(error)
    if not quick and example not in verdicts:
        verdicts[example] = _problem(example)
    return example, verdicts.get(example, "")


def _problem(example: Example) -> str:
    try:
        example.read()
        for what, read in (("conditioning picture", example.read_condition), ("mask", example.read_mask)):
            if (picture := read()) is not None:
                check_same_aspect(example.size, picture.size, f"{what} of {example.name}")
    except UserError as error:
        return str(error)
    return ""
