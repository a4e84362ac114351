"""DreamBooth: a thing of one's own from a few pictures (Ruiz et al. 2023, arXiv:2208.12242).

What trains is full fine-tuning's or LoRA's; see `class_pictures` for what keeps the model from forgetting the class.
"""

from pathlib import Path

from pai_modelscope.data import TrainingSet, scan
from pai_modelscope.methods.denoising import Networks
from pai_modelscope.methods.dreambooth.class_pictures import (
    class_examples,
    class_pictures,
    warn_of_other_words,
    with_class_pictures,
)
from pai_modelscope.methods.dreambooth.options import DreamBoothOptions
from pai_modelscope.methods.fine_tuning import CLASS, FineTuning
from pai_modelscope.methods.full.method import FullFineTuning, complete_model
from pai_modelscope.methods.lora.method import LoraTraining, name_base_model
from pai_modelscope.sampling import Sampler


class DreamBoothFineTuning(FineTuning[DreamBoothOptions, FullFineTuning | LoraTraining]):
    def create_method(self) -> FullFineTuning | LoraTraining:
        options, context = self.options, self.context
        if not options.rank:
            return FullFineTuning(
                *Networks.of(options, context.pipe),
                train=options.train,
                train_text_encoder=options.train_text_encoder,
                **options.arguments(),
            )
        return LoraTraining(
            *Networks.of(options, context.pipe),
            rank=options.rank,
            alpha=options.alpha,
            targets=options.targets,
            text_rank=options.text_rank,
            name=context.run_name,
            base_model=context.model,
            resolution=context.data.resolution,
            trigger_words=[options.instance_prompt],
            seed=context.loop.seed,
            **options.arguments(),
        )

    @property
    def caption(self) -> str:
        return self.options.instance_prompt

    def training_set(self) -> TrainingSet:
        data, options = self.context.data, self.options
        pictures = self.open(data.train_data_dir, data.max_train_samples, self.caption)
        warn_of_other_words(pictures, options.instance_prompt)
        if options.class_prompt:
            pictures = with_class_pictures(pictures, self._class_pictures(), options.prior_loss_weight)
        return self.with_replay(pictures)

    def export(self, folder: Path) -> None:
        super().export(folder)
        if isinstance(self.method, LoraTraining):
            name_base_model(folder, self.method, self.context.base_model)
        else:
            complete_model(folder, self.method, self.context)

    def _class_pictures(self) -> TrainingSet:
        options, context = self.options, self.context
        folder = options.class_data_dir or context.run_folder / CLASS
        with context.accelerator.main_process_first():  # it draws them, the others find them
            sampler = Sampler.from_pretrained(context.folder, device=context.accelerator.device, safety=False)
            paths = class_pictures(
                sampler, options.class_prompt, options.num_class_images, folder, resolution=context.data.resolution
            )
        return scan(class_examples(paths, options.class_prompt), on_broken=context.data.on_broken)
