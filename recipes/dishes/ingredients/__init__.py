"""Ingredients: one file a group, one function an ingredient, which draws several pieces of it."""
