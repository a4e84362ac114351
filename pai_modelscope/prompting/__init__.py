"""From what a person writes to a prompt: poems read, what is missing added, and what a model does not know found."""
