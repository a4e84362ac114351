"""Fine-tuning of every weight by the command line of diffusers' script of this name.

    accelerate launch train_text_to_image.py \\
      --pretrained_model_name_or_path=$MODEL_NAME --train_data_dir=$TRAIN_DIR --output_dir=$OUTPUT_DIR \\
      --resolution=512 --center_crop --random_flip --train_batch_size=1 --gradient_accumulation_steps=4 \\
      --gradient_checkpointing --max_train_steps=15000 --learning_rate=1e-05 --max_grad_norm=1 \\
      --lr_scheduler="constant" --lr_warmup_steps=0

It is `pai-modelscope train full` with that script's defaults, and OUTPUT_DIR becomes a whole model that
`StableDiffusionPipeline.from_pretrained(OUTPUT_DIR)` opens.
"""

import sys

from pai_modelscope.cli import main

DEFAULTS = ["--resolution=512", "--no-center_crop", "--train_batch_size=16", "--num_train_epochs=100"]
DEFAULTS += ["--lr_scheduler=constant", "--lr_warmup_steps=500", "--adam_beta2=0.999", "--checkpointing_steps=500"]
DEFAULTS += ["--caption_dropout=0", "--checkpoints_total_limit=0"]

if __name__ == "__main__":
    sys.exit(main(["train", "full", *DEFAULTS, "--flat", *sys.argv[1:]]))
