"""Raw pairs of pictures and captions become scores, and scores a training set.

Scoring looks at every pair once and drops none: `scoring.py`, by the scorers of `scorers/`. Selecting reads the scores
alone, in seconds, and any number of times: `selection.py`.
"""
