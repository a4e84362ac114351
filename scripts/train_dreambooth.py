"""DreamBooth by the command line of diffusers' script of this name.

    accelerate launch train_dreambooth.py \\
      --pretrained_model_name_or_path=$MODEL_NAME --instance_data_dir=$INSTANCE_DIR --output_dir=$OUTPUT_DIR \\
      --instance_prompt="一只糯糯猫" --with_prior_preservation --class_data_dir=$CLASS_DIR --class_prompt="一只猫" \\
      --num_class_images=200 --prior_loss_weight=1.0 --resolution=512 --train_batch_size=1 \\
      --gradient_accumulation_steps=1 --learning_rate=5e-6 --lr_scheduler="constant" --lr_warmup_steps=0 \\
      --max_train_steps=800

It is `pai-modelscope train dreambooth` with that script's defaults, and OUTPUT_DIR becomes a whole model that
`StableDiffusionPipeline.from_pretrained(OUTPUT_DIR)` opens.
"""

import sys

from pai_modelscope.cli import main

DEFAULTS = ["--resolution=512", "--no-center_crop", "--train_batch_size=4", "--num_train_epochs=1"]
DEFAULTS += ["--learning_rate=5e-6", "--lr_scheduler=constant", "--lr_warmup_steps=500", "--adam_beta2=0.999"]
DEFAULTS += ["--caption_dropout=0", "--checkpointing_steps=500", "--checkpoints_total_limit=0"]

if __name__ == "__main__":
    sys.exit(main(["train", "dreambooth", *DEFAULTS, "--flat", *sys.argv[1:]]))
