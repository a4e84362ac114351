"""Textual Inversion by the command line of diffusers' script of this name, which PAI-Diffusion's article calls.

    accelerate launch textual_inversion.py \\
      --pretrained_model_name_or_path=$MODEL_NAME --train_data_dir=$TRAIN_DIR --output_dir=$OUTPUT_DIR \\
      --learnable_property="object" --placeholder_token="<小奶猫>" --initializer_token="猫" --resolution=512 \\
      --train_batch_size=1 --gradient_accumulation_steps=4 --max_train_steps=100 --learning_rate=5.0e-04 --scale_lr \\
      --lr_scheduler="constant" --lr_warmup_steps=0

It is `pai-modelscope train textual-inversion` with that script's defaults, and OUTPUT_DIR becomes a whole model that
`StableDiffusionPipeline.from_pretrained(OUTPUT_DIR)` opens, with `learned_embeds.safetensors` and a file for the WebUI.
"""

import sys

from pai_modelscope.cli import main

DEFAULTS = ["--resolution=512", "--no-center_crop", "--train_batch_size=16", "--max_train_steps=5000"]
DEFAULTS += ["--lr_scheduler=constant", "--lr_warmup_steps=500", "--adam_beta2=0.999", "--checkpointing_steps=500"]
DEFAULTS += ["--caption_dropout=0", "--checkpoints_total_limit=0"]

if __name__ == "__main__":
    sys.exit(main(["train", "textual-inversion", *DEFAULTS, "--save_as_full_pipeline", "--flat", *sys.argv[1:]]))
