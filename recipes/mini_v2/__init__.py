"""The recipe of version 2 of `pai-diffusion-mini-zh`: scenes, portraits, dishes and icons in one model."""
