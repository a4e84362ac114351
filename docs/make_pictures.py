"""The pictures of the README, made with the shipped model: `make readme-pictures`."""

from pathlib import Path

from pai_modelscope.commands.demo import PROMPTS, SEED

HERE = Path(__file__).resolve().parent / "images"


def main() -> None:
    from pai_modelscope.images import contact_sheet
    from pai_modelscope.sampling import Sampler

    HERE.mkdir(exist_ok=True)
    sampler = Sampler.from_pretrained("pai-diffusion-mini-zh", device="cpu")
    pictures = [sampler(prompt, seed=SEED)[0].image for prompt in PROMPTS]
    contact_sheet(pictures, list(PROMPTS), 4).save(HERE / "demo.png", optimize=True)
    print(HERE / "demo.png")


if __name__ == "__main__":
    main()
