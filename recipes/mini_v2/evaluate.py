"""The judge of facts over drawings of held-out captions:

    python -m recipes.mini_v2.evaluate --work build/v2 --model build/v2/model --judge build/v2/judge/result/judge

Seeds that nothing was trained on give pictures with captions and facts. The model draws one caption of each; the judge
is asked for the facts that the caption states, of the drawing and of the painted picture after the model's own VAE: a
share that the judge itself does not reach with real pictures is not the model's fault.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from pai_modelscope import Sampler
from recipes.mini_v2.domains import DOMAINS, Drawn
from recipes.mini_v2.draw import draw
from recipes.mini_v2.judge import FactJudge, open_judge, told
from recipes.mini_v2.stated import STATED
from recipes.mini_v2.vae_report import HELD_OUT_SEED, reconstructed

_SURE = 0.5  # how likely one of several things must be


@dataclass(frozen=True)
class Score:
    """Shares of right answers, of drawings and of real pictures; `error`: one standard error of `drawn`."""

    domain: str
    fact: str
    number: int
    drawn: float
    real: float
    error: float

    @property
    def share(self) -> float:
        """Of what real pictures reach."""
        return self.drawn / self.real if self.real else float("nan")


@dataclass(frozen=True)
class Asked:
    """A painted picture, one of its captions, and the facts that this caption states."""

    drawn: Drawn
    caption: str
    stated: Mapping[str, set[str]]


def ask(work: Path, domain: str, number: int, size: tuple[int, int] = (256, 256)) -> list[Asked]:
    """`number` held-out pictures of a domain with a caption each that states something."""
    asked: list[Asked] = []
    for seed in range(HELD_OUT_SEED, HELD_OUT_SEED + 4 * number):
        drawn = DOMAINS[domain](work, seed, size)
        captions = list(drawn.captions.values())
        caption = captions[int(np.random.default_rng(seed).integers(len(captions)))]
        if stated := STATED[domain](drawn.facts, caption):
            asked.append(Asked(drawn, caption, stated))
        if len(asked) == number:
            break
    return asked


def score(judge: FactJudge, domain: str, asked: list[Asked], drawn: np.ndarray, real: np.ndarray) -> list[Score]:
    """By fact. `drawn`, `real`: (n, h, w, 3) uint8, of each asked picture."""
    right = {name: _right(judge, domain, asked, images) for name, images in (("drawn", drawn), ("real", real))}
    return [
        Score(
            domain,
            fact,
            len(hits),
            float(np.mean(hits)),
            float(np.mean(right["real"][fact])),
            float(np.std(hits) / max(len(hits), 1) ** 0.5),
        )
        for fact, hits in right["drawn"].items()
    ]


def _right(judge: FactJudge, domain: str, asked: list[Asked], images: np.ndarray) -> dict[str, list[bool]]:
    """By fact, for each answer that a caption states and the judge knows: whether the judge sees it."""
    answered, right = told(judge, images), defaultdict[str, list[bool]](list)
    for question in judge.asked:
        if question.domain != domain:
            continue
        chances = answered[domain, question.fact]
        for number, picture in enumerate(asked):
            for answer in sorted(picture.stated.get(question.fact, set()) & set(question.answers)):
                place = question.answers.index(answer)
                seen = chances[number, place] > _SURE if question.several else chances[number].argmax() == place
                right[question.fact].append(bool(seen))
    return dict(right)


def table(scores: Iterable[Score]) -> str:
    """Markdown."""
    lines = ["| domain | fact | answers | drawn | real | share |", "| --- | --- | ---: | ---: | ---: | ---: |"]
    for row in scores:
        drawn = f"{row.drawn:.3f} ± {row.error:.3f}"
        lines.append(f"| {row.domain} | {row.fact} | {row.number} | {drawn} | {row.real:.3f} | {row.share:.3f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.evaluate")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--domains", default="landscapes,portraits,compositions")
    parser.add_argument("--count", type=int, default=300, help="captions of a domain")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--out", type=Path, help="a JSON file for the scores")
    args = parser.parse_args()
    sampler = Sampler.from_pretrained(str(args.model))
    judge = open_judge(args.judge, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    scores: list[Score] = []
    for domain in args.domains.split(","):
        asked = ask(args.work, domain, args.count)
        real = reconstructed(sampler.pipe.vae, np.stack([picture.drawn.image for picture in asked]))
        images = draw(sampler, [picture.caption for picture in asked], args.batch, (256, 256))
        scores += score(judge, domain, asked, np.stack([np.asarray(image) for image in images]), real)
    print(table(scores))
    if args.out:
        args.out.write_text(json.dumps([asdict(row) for row in scores], ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
