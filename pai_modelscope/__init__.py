"""Chinese text-to-image models of the PAI-Diffusion family in ModelScope."""
