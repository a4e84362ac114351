"""The pictures of the README and of the model card, made with the shipped model: `make readme-pictures`."""

from pathlib import Path

from pai_modelscope.commands.demo import PROMPTS, SEED

HERE = Path(__file__).resolve().parent / "images"
CARD = HERE.parents[1] / "pai_modelscope/assets/pai-diffusion-mini-zh/samples.png"
NAMES = ("熊猫", "狐狸", "房子", "自行车", "太阳", "蝴蝶")
STYLES = ("扁平插画风格", "立体渐变风格", "黑白剪影风格", "柔和彩绘风格")


def main() -> None:
    from pai_modelscope.images import contact_sheet
    from pai_modelscope.sampling import Sampler

    HERE.mkdir(exist_ok=True)
    sampler = Sampler.from_pretrained("pai-diffusion-mini-zh", device="cpu")
    grid = [f"{name},{style}" for style in STYLES for name in NAMES]
    for path, prompts, columns, side in ((HERE / "demo.png", PROMPTS, 4, 256), (CARD, grid, len(NAMES), 160)):
        pictures = [sampler(prompt, seed=SEED)[0].image.resize((side, side)) for prompt in prompts]
        contact_sheet(pictures, list(prompts), columns).save(path, optimize=True)
        print(path)


if __name__ == "__main__":
    main()
