"""A ControlNet by the command line of diffusers' script of this name.

    accelerate launch train_controlnet.py \\
      --pretrained_model_name_or_path=$MODEL_NAME --train_data_dir=$TRAIN_DIR --output_dir=$OUTPUT_DIR \\
      --resolution=512 --learning_rate=1e-5 --train_batch_size=4 --max_train_steps=15000 \\
      --validation_image "./edges.png" --validation_prompt "熊猫"

It is `pai-modelscope train controlnet` with that script's defaults. `Sampler.from_pretrained(OUTPUT_DIR)` opens the
result, and `ControlNetModel.from_pretrained(OUTPUT_DIR, subfolder="controlnet")` the net alone. The training set's
column `conditioning_image` holds the pictures to follow.
"""

import sys

from pai_modelscope.cli import main

DEFAULTS = ["--resolution=512", "--train_batch_size=4", "--num_train_epochs=1", "--learning_rate=5e-6"]
DEFAULTS += ["--lr_scheduler=constant", "--lr_warmup_steps=500", "--adam_beta2=0.999", "--checkpointing_steps=500"]
DEFAULTS += ["--conditioning_image_column=conditioning_image", "--proportion_empty_prompts=0", "--validation_steps=100"]
DEFAULTS += ["--checkpoints_total_limit=0"]

if __name__ == "__main__":
    sys.exit(main(["train", "controlnet", *DEFAULTS, "--flat", *sys.argv[1:]]))
