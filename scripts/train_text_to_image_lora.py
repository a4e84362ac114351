"""LoRA fine-tuning by the command line of diffusers' script of this name, which PAI-Diffusion's article calls.

    accelerate launch train_text_to_image_lora.py \\
      --pretrained_model_name_or_path=$MODEL_NAME --train_data_dir=$TRAIN_DIR --output_dir=$OUTPUT_DIR \\
      --resolution=512 --center_crop --random_flip --train_batch_size=1 --gradient_accumulation_steps=4 \\
      --max_train_steps=15000 --learning_rate=1e-04 --max_grad_norm=1 --lr_scheduler="cosine" --lr_warmup_steps=0

It is `pai-modelscope train lora` with that script's defaults, and OUTPUT_DIR gets what it wrote in 2023 and what it
writes today: `pytorch_lora_weights.safetensors` for `pipe.load_lora_weights(OUTPUT_DIR)`, a file of OUTPUT_DIR's name
for the WebUI, and `checkpoint-N/pytorch_model.bin`, the state that the article gives to `load_attn_procs`.
"""

import sys

from pai_modelscope.cli import main

DEFAULTS = ["--resolution=512", "--no-center_crop", "--train_batch_size=16", "--num_train_epochs=100", "--rank=4"]
DEFAULTS += ["--lr_scheduler=constant", "--lr_warmup_steps=500", "--adam_beta2=0.999", "--checkpointing_steps=500"]
DEFAULTS += ["--caption_dropout=0", "--checkpoints_total_limit=0"]

if __name__ == "__main__":
    sys.exit(main(["train", "lora", *DEFAULTS, "--legacy", "--flat", *sys.argv[1:]]))
