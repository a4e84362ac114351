"""From npm packages of openly licensed pictures to the training set of `pai-diffusion-mini-zh`."""
