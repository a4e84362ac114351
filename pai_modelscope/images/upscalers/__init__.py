"""Finished pictures made larger by networks that draw nothing over: one file each, and a registry."""
