"""Model folders and single files: what they hold, whether it is whole, how it opens."""
