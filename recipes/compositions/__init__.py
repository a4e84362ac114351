"""A composer: two to four things of existing art in one picture, with exact captions."""
