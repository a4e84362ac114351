"""The table of the model card: every row is a set of prompts, sampling options and one measure.

A row's measure is taken twice, on generated pictures and on the real ones that belong to the same prompts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from PIL import Image

from pai_modelscope.evaluation import metrics, prompts
from pai_modelscope.evaluation.autoencoder import reconstruct
from pai_modelscope.evaluation.judge import Judge, to_bytes
from pai_modelscope.evaluation.pictures import Pictures, Record, Scene, render_all
from pai_modelscope.evaluation.prompts import Case, sample
from pai_modelscope.images.annotators import annotate
from pai_modelscope.sampling import Sampler

Images = Sequence[Image.Image]
Figures = dict[str, float]
STYLE_SAMPLES = 200  # real pictures a style, from which its look is learned
CONTROLNET = "pai-diffusion-mini-zh-controlnet-canny"
STYLE_RIDGE = 1.0  # best of 1 to 1,000 on held-out drawings
PLAIN_DEFAULTS = {"num_inference_steps": 50, "guidance_scale": 7.5, "guidance_rescale": 0.0}


@dataclass(kw_only=True)
class Reference:
    """What pictures are measured against: the judge, and real pictures with their names and styles."""

    judge: Judge
    pictures: Pictures
    limit: int
    style_samples: int = STYLE_SAMPLES
    workers: int = 1  # see `render_all`
    _rendered: dict[Scene, Image.Image] = field(default_factory=dict)

    def real(self, scenes: Sequence[Scene]) -> list[Image.Image]:
        missing = [scene for scene in dict.fromkeys(scenes) if scene not in self._rendered]
        self._rendered.update(zip(missing, render_all(missing, self.workers), strict=True))
        return [self._rendered[scene] for scene in scenes]

    @cached_property
    def name_features(self) -> torch.Tensor:
        return self.judge.texts(self.pictures.names)

    @cached_property
    def place(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.pictures.names)}

    def targets(self, cases: Sequence[Case], which: int = 0) -> list[frozenset[int]]:
        return [frozenset(self.place[name] for name in case.targets[which]) for case in cases]

    def ranks(self, images: Images, targets: Sequence[frozenset[int]]) -> torch.Tensor:
        return metrics.ranks(self.judge.images(images), self.name_features, targets)

    @cached_property
    def styles(self) -> list[str]:
        return list(self.pictures.styles)

    @cached_property
    def _style_drawings(self) -> dict[str, list[Record]]:
        """Of every style, real drawings that no row asks for: its look is learned from these."""
        splits = ("train", "held_style")
        asked = {record.id for split in splits for record in sample(self.pictures.of(split), self.limit)}
        records = prompts.shuffled((r for split in splits for r in self.pictures.of(split)), "style")
        by_style: dict[str, list[Record]] = {style: [] for style in self.styles}
        for record in records:
            if record.id not in asked:
                by_style[record.style_id].append(record)
        return {style: records[: self.style_samples] for style, records in by_style.items()}

    @cached_property
    def style_probe(self) -> torch.Tensor:
        chosen = [record for records in self._style_drawings.values() for record in records]
        features = self.judge.styles(self.real([Scene((record,)) for record in chosen]))
        labels = torch.tensor([self.styles.index(record.style_id) for record in chosen])
        return metrics.ridge_probe(features, labels, len(self.styles), strength=STYLE_RIDGE)

    def knows_style(self, style_id: str) -> bool:
        """Whether the data set shows enough of a style, beyond what is asked for, to learn its look."""
        return len(self._style_drawings.get(style_id, ())) >= self.style_samples // 4


@dataclass(kw_only=True)
class Bench(Reference):
    """The same, with the model as users open it, and what it has drawn so far."""

    sampler: Sampler
    options: Mapping[str, object]
    batch: int
    _generated: dict[tuple[tuple[str, object], ...], dict[tuple[str, int], Image.Image]] = field(default_factory=dict)

    def draw(self, cases: Sequence[Case], options: Mapping[str, object]) -> list[Image.Image]:
        """Generated pictures; the same prompt, seed and options are drawn once, whichever rows ask."""
        return self.draw_prompts([(case.prompt, case.seed) for case in cases], options)

    def draw_prompts(self, asked: Sequence[tuple[str, int]], options: Mapping[str, object]) -> list[Image.Image]:
        """The same for pairs of prompt and seed."""
        options = {**self.options, **options}
        key = tuple((name, options[name]) for name in sorted(options))
        drawn = self._generated.setdefault(key, {})
        missing = [pair for pair in dict.fromkeys(asked) if pair not in drawn]
        texts: list[dict[str, object]] = [{"text": text, "seed": seed} for text, seed in missing]
        if texts:
            pictures = self.sampler(texts, callback=None, batch_size=self.batch, **options)
            drawn.update(zip(missing, (picture.image for picture in pictures), strict=True))
        return [drawn[pair] for pair in asked]


Measure = Callable[[Bench, Images, Sequence[Case]], Figures]


@dataclass(frozen=True)
class Row:
    """One row: where its prompts come from, how they are sampled, what is measured.

    `draw` makes the pictures of the model, None where only real ones are measured; `beside` names the row whose
    figures this one is compared with.
    """

    name: str
    title: str
    cases: Callable[[Pictures, int], list[Case]]
    measure: Measure
    options: Mapping[str, object] = field(default_factory=dict)
    draw: Callable[[Bench, Sequence[Case], Mapping[str, object]], list[Image.Image]] | None = Bench.draw
    beside: str | None = None


def by_name(bench: Bench, images: Images, cases: Sequence[Case]) -> Figures:
    """R@1 and R@5 over all names of the data set."""
    ranks = bench.ranks(images, bench.targets(cases))
    return {f"R@{k}": (ranks < k).double().mean().item() for k in (1, 5)}


def by_name_and_style(bench: Bench, images: Images, cases: Sequence[Case]) -> Figures:
    """R@1, R@5, and the share of pictures whose style a linear probe recognises."""
    figures = by_name(bench, images, cases)
    if not all(map(bench.knows_style, {case.style_id for case in cases})):
        return figures
    classes = metrics.probe_classes(bench.judge.styles(images), bench.style_probe)
    wanted = torch.tensor([bench.styles.index(case.style_id) for case in cases])
    return figures | {"style": (classes == wanted).double().mean().item()}


def by_background(bench: Bench, images: Images, cases: Sequence[Case]) -> Figures:
    """The share of pictures with the named ground, and R@5 of what stands on it."""
    hits = [metrics.background_colour(image) == case.scene.colour for image, case in zip(images, cases, strict=True)]
    return {"colour": sum(hits) / len(hits), "R@5": by_name(bench, images, cases)["R@5"]}


def by_halves(bench: Bench, images: Images, cases: Sequence[Case]) -> Figures:
    """The share of pictures where each name is in the judge's top five on its own half; and of halves alone."""
    lefts, rights = zip(*(metrics.halves(image) for image in images), strict=True)
    left = bench.ranks(lefts, bench.targets(cases, 0)) < 5
    right = bench.ranks(rights, bench.targets(cases, 1)) < 5
    return {"both": (left & right).double().mean().item(), "one half": torch.cat([left, right]).double().mean().item()}


def by_frechet(bench: Bench, images: Images, cases: Sequence[Case]) -> Figures:
    """Fréchet distance on the judge's features to as many real held-out drawings that none of the prompts names."""
    others = [Scene((record,)) for record in prompts.other_held_pairs(bench.pictures, bench.limit)]
    distance = metrics.frechet_distance(bench.judge.images(images), bench.judge.images(bench.real(others)))
    return {"Fréchet": distance}


def by_psnr(bench: Bench, images: Images, cases: Sequence[Case]) -> Figures:
    """PSNR in dB of all pictures together (mean squared error over all pixels), and the mean of each one's own."""
    real = bench.real([case.scene for case in cases])
    pairs = [(to_bytes(a).float() / 255, to_bytes(b).float() / 255) for a, b in zip(images, real, strict=True)]
    by_picture = torch.tensor([metrics.psnr(a, b) for a, b in pairs])
    together = metrics.psnr(torch.stack([a for a, _ in pairs]), torch.stack([b for _, b in pairs]))
    return {"PSNR": together, "mean PSNR": by_picture.clamp(max=99).mean().item()}


def through_vae(bench: Bench, cases: Sequence[Case], options: Mapping[str, object]) -> list[Image.Image]:
    return reconstruct(bench.sampler.pipe, bench.real([case.scene for case in cases]))


def by_edges(bench: Bench, images: Images, cases: Sequence[Case]) -> Figures:
    """The mean agreement of a picture's edges with those of the drawing that it was asked to follow."""
    agreements = [
        metrics.edge_agreement(edges, image) for edges, image in zip(edges_of(bench, cases), images, strict=True)
    ]
    return {"edges": sum(agreements) / len(agreements)}


def edges_of(bench: Bench, cases: Sequence[Case]) -> list[Image.Image]:
    return [annotate("canny", image.convert("RGB")) for image in bench.real([case.scene for case in cases])]


def under_control(bench: Bench, cases: Sequence[Case], options: Mapping[str, object]) -> list[Image.Image]:
    """Drawn along the edges of the real drawings, by the ControlNet that ships."""
    texts: list[dict[str, object]] = [
        {
            "text": case.prompt,
            "seed": case.seed,
            "control": {"canny": {"image": edges, "model": CONTROLNET, "annotate": False}},
        }
        for case, edges in zip(cases, edges_of(bench, cases), strict=True)
    ]
    pictures = bench.sampler(texts, callback=None, batch_size=bench.batch, **{**bench.options, **options})
    return [picture.image for picture in pictures]


def held_art(pictures: Pictures, count: int) -> list[Case]:
    """Held-out drawings of every kind that the base has not trained on, food among them."""
    splits = ("held_pair", "held_style", "held_concept", "food", "food_test")
    records = sample([record for split in splits for record in pictures.of(split)], count)
    return [Case("", 0, (pictures.targets(record),), Scene((record,))) for record in records]


ROWS: tuple[Row, ...] = (
    Row("judge", "the judge itself, on real held-out pairs", prompts.held_pairs, by_name_and_style, draw=None),
    Row("trained", "trained names and styles", prompts.trained_pairs, by_name_and_style),
    Row("held_pair", "held-out (name, style) pairs", prompts.held_pairs, by_name_and_style),
    Row("keywords", "keywords instead of names", prompts.keywords, by_name),
    Row("sentences", "sentences instead of names", prompts.sentences, by_name),
    Row("background", "named background colour", prompts.colours, by_background),
    Row("two_objects", "two objects, left and right", prompts.two_objects, by_halves),
    Row("article", f"the article's prompt {prompts.ARTICLE}", prompts.article, by_name),
    Row("frechet", "distance to held-out art (generated, real)", prompts.fresh_pairs, by_frechet),
    Row(
        "defaults",
        "plain diffusers defaults: 50 steps, guidance 7.5, no rescale",
        prompts.trained_pairs,
        by_name_and_style,
        PLAIN_DEFAULTS,
        beside="trained",
    ),
    Row(
        "defaults_held_pair",
        "plain diffusers defaults, held-out pairs",
        prompts.held_pairs,
        by_name_and_style,
        PLAIN_DEFAULTS,
        beside="held_pair",
    ),
    *(
        Row(
            f"size_{width}x{height}",
            f"{width} x {height} pixels",
            prompts.trained_pairs,
            by_name,
            {"width": width, "height": height},
            beside="trained",
        )
        for width, height in ((192, 192), (320, 320), (256, 384))
    ),
    Row("food", "food, unknown to the base model", prompts.food, by_name_and_style),
    Row("food_test", "food in styles held out of the food set", prompts.food_test, by_name_and_style),
    Row("held_style", "a style unknown to the base model", prompts.held_style, by_name_and_style),
    Row("held_concept", "twelve concepts unknown to the base model", prompts.held_concepts, by_name_and_style),
    Row("uncontrolled", "edges of held-out drawings, without control", prompts.held_pairs, by_edges),
    Row(
        "controlled",
        "edges of held-out drawings, under the Canny ControlNet",
        prompts.held_pairs,
        by_edges,
        draw=under_control,
        beside="uncontrolled",
    ),
    Row("vae", "autoencoder on held-out art", held_art, by_psnr, draw=through_vae),
)


def row_names() -> list[str]:
    return [row.name for row in ROWS]
