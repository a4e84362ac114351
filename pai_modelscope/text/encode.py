"""From token ids to the states that the UNet attends to, for CLIP and BERT text encoders."""

import torch


def encode_ids(text_encoder: torch.nn.Module, ids: torch.Tensor, clip_skip: int | None = None) -> torch.Tensor:
    """States (batch, n_chunks * L, D) of ids (batch, n_chunks, L): chunks encoded apart, joined along the sequence.

    No attention mask is passed, as in StableDiffusionPipeline. `clip_skip` counts as in diffusers: 1 takes the
    layer before the last, followed by the encoder's own final layer norm (CLIP; BERT has none).
    """
    batch, n_chunks, length = ids.shape
    flat = ids.reshape(batch * n_chunks, length)
    if not clip_skip:
        states = text_encoder(flat)[0]
    else:
        layers = text_encoder(flat, output_hidden_states=True).hidden_states
        states = _final_norm(text_encoder)(layers[-(clip_skip + 1)])
    return states.reshape(batch, n_chunks * length, -1)


def _final_norm(text_encoder: torch.nn.Module) -> torch.nn.Module:
    """CLIP's last layer norm; transformers 5.6 dropped the `.text_model` that used to hold it."""
    holder = getattr(text_encoder, "text_model", text_encoder)
    return getattr(holder, "final_layer_norm", torch.nn.Identity())
