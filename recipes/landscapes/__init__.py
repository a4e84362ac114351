"""A painter of landscapes: scenes in several styles, and what can be seen in them."""
