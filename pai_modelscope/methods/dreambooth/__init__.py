"""DreamBooth."""
