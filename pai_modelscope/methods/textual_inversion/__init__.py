"""Textual Inversion."""
