"""Flags of diffusers' example scripts: those that mean one of our options, and those that have no use here."""

from collections.abc import Callable

# What these scripts and ModelScope's trainers call an option where that differs: our name, and what becomes of a switch
# (None: as if it had not been given).
ALIASES: dict[str, tuple[str, Callable[[bool], str | float | None] | None]] = {
    "model": ("pretrained_model_name_or_path", None),
    "noise_offset": ("offset_noise", None),
    "proportion_empty_prompts": ("caption_dropout", None),
    "use_8bit_adam": ("optimizer", lambda on: "adamw-8bit" if on else None),
    "use_ema": ("ema_decay", lambda on: 0.9999 if on else None),
    "validation_prompt": ("validation_prompts", None),
    "validation_image": ("validation_images", None),
    "dataset_name": ("train_data_dir", None),
    "instance_data_dir": ("train_data_dir", None),
    "placeholder": ("placeholder_token", None),
    "initializer": ("initializer_token", None),
    "lora_rank": ("rank", None),
    "lora_alpha": ("alpha", None),
}

# Flags of those scripts that change nothing here, and why.
NO_EFFECT = {
    "allow_tf32": "matrices are multiplied in TF32 wherever a GPU can",
    "enable_xformers_memory_efficient_attention": "PyTorch's own attention is as lean",
    "set_grads_to_none": "gradients are always set to None",
    "local_rank": "the launcher tells it",
    "logging_dir": "everything is logged in output_dir",
    "with_prior_preservation": "a class_prompt asks for it",
    "pre_compute_text_embeddings": "cache_latents keeps the captions' states too",
    "only_save_embeds": "the embedding is always a file of its own",
    "repeats": "an epoch shows every picture once, and max_train_steps counts",
    "variant": "of several copies of a network's file the fullest is read",
    "offload_ema": "the average stays where the weights are",
    "foreach_ema": "the average is always taken in one pass",
    "num_validation_images": "a prompt is drawn once each time; repeat it in validation_prompts for more",
    "validation_epochs": "validation_steps says when pictures are drawn",
    "validation_scheduler": "pictures are drawn by the model's own scheduler",
    "save_steps": "checkpointing_steps says when what was learned is kept",
    "sample_batch_size": "as many class pictures are drawn at once as the device takes well",
    "prior_generation_precision": "class pictures are drawn in the precision that the device takes well",
    "no_safe_serialization": "everything is written as safetensors",
    "tracker_project_name": "the tracker's project is called pai_modelscope",
    "skip_save_text_encoder": "the text encoder is written only where it learned",
}

# Flags of those scripts that would change what is learned, and what to do instead.
NOT_HERE = {
    "class_labels_conditioning": "it is for DeepFloyd IF: leave it out",
    "dataset_config_name": "give train_data_dir a folder that holds that part of the data set alone",
    "dream_detail_preservation": "leave it out, with dream_training",
    "dream_training": "leave it out; snr_gamma is the weighting that there is",
    "hub_model_id": "`pai-modelscope zoo push FOLDER ID` uploads the folder of the result",
    "hub_token": "`pai-modelscope zoo push FOLDER ID` uploads the folder of the result",
    "image_interpolation_mode": "pictures are always resized by Lanczos, its default: leave it out",
    "lora_dropout": "leave it out; a lower rank or fewer steps learn less by heart",
    "non_ema_revision": "give the weights to learn from with revision",
    "push_to_hub": "`pai-modelscope zoo push FOLDER ID` uploads the folder of the result",
    "text_encoder_use_attention_mask": "it is for DeepFloyd IF: leave it out",
    "tokenizer_max_length": "long captions are always read whole, in chunks: leave it out",
    "tokenizer_name": "the tokenizer is always the model's own: leave it out",
}
