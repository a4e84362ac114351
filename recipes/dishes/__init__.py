"""A painter of Chinese dishes: a vessel, what lies in it, a view, a table, in four styles, with exact captions."""
