"""LoRA files of every tool: where they are, whose names their tensors have, read and written."""
