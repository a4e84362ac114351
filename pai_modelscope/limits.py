"""Bounds on what comes from outside: files, archives, pictures, prompts, a hub's answers.

A size or a count that a file claims is compared with its bound before anything is allocated or looped over. The bounds
lie far above honest use; each is one number here, so that a program with other needs can set it:
`pai_modelscope.limits.JSON_BYTES = 2**30`.
"""

MIB = 2**20

# Text that is read whole.
TEXT_BYTES = 64 * MIB  # prompts, captions, metadata
JSON_BYTES = 64 * MIB  # one document: a configuration, an index of shards, a tokenizer
YAML_BYTES = MIB // 4  # options; PyYAML reads some 100 KB a second
DEPTH = 64  # of lists and objects within each other
YAML_NODES = 100_000  # once aliases are written out
PATH_CHARACTERS = 1024  # of a name in an archive, a metadata file or a hub's listing
