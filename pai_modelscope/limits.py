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
YAML_DIGITS = 4300  # of a whole number, as Python bounds them; PyYAML reads 1:30 as 90 by itself, in quadratic time
PATH_CHARACTERS = 1024  # of a name in an archive, a metadata file or a hub's listing
INFOTEXT_CHARACTERS = MIB // 2  # what a picture says of its making
INFOTEXT_FILES = 256  # LoRAs, embeddings or control pictures that one picture remembers
LOG_LINE_BYTES = MIB  # of a log.jsonl, which itself may grow with its run

# Pictures, masks and control pictures.
PICTURE_BYTES = 264 * MIB  # of one file: 8192 x 8192 pixels of four bytes, and a head
PICTURE_PIXELS = 2**26  # 8192 x 8192, 192 MiB in memory; files of a few kilobytes can claim far more
PICTURE_SIDE = 2**15  # pixels
PICTURE_PROPORTION = 64  # longer side over shorter
PICTURE_BLOCKS = 4096  # segments of a JPEG, chunks of a PNG beside its pixels, boxes and OBUs of an AVIF
PICTURE_SCANS = 200  # of a JPEG: each goes over all pixels; honest ones have about ten
EXIF_SEGMENTS = 64  # of a JPEG; Pillow joins them in quadratic time
XMP_BYTES = MIB  # of a picture's file, of which the label of generated content is read
COMMENT_BYTES = 2**16  # of a GIF; likewise
IFD_ENTRIES = 1024  # tags of a TIFF or of EXIF
TILE_PIXELS = 2**22  # 2048 x 2048: of a TIFF's tile, or twice the picture's pixels if those are more
ICC_BYTES = 4 * MIB  # a colour profile
ANNOTATED_PIXELS = 2**25  # of a picture whose edges are drawn: filters take some 80 bytes a pixel
ANNOTATED_SIDE = 8192  # pixels; the filters of longer pictures are no wider

# Training sets.
METADATA_BYTES = 1024 * MIB  # metadata.jsonl and .csv, which are read a line at a time
LINE_BYTES = MIB  # of metadata, and of a TSV without its picture
CAPTION_BYTES = MIB  # of one picture's caption file
ROWS = 10_000_000  # pictures of a set, each as often as it repeats
REPEATS = 1000  # of a folder such as 30_dog; 2023_photos and 20231105_photos are dates
TAR_HEADER_BYTES = MIB  # a member's name and what else stands before it
PARQUET_GROWTH = 64  # decoded bytes for each byte of a parquet file, beside the first so many:
PARQUET_BYTES = 256 * MIB

# A hub's answers. What honest hubs list takes some 600 bytes a file.
HUB_ANSWER_BYTES = 8 * MIB  # one answer that is no file
HUB_LISTING_BYTES = 32 * MIB  # all answers to one question together
HUB_PAGES = 1000  # answers to one question
HUB_FILES = 50_000  # of one model or data set
HUB_FILE_BYTES = 2**40
HUB_SILENCE_SECONDS = 15  # until a byte comes
HUB_PATIENCE_SECONDS = 60  # until a byte comes, tries that failed included
HUB_SPEED = 1024  # bytes a second, on the average of HUB_SPEED_SECONDS
HUB_SPEED_SECONDS = 10

# Pictures that are drawn.
PICTURES = 100_000  # of one call, each of which is planned before the first is drawn
BATCH = 256  # pictures denoised at once
LORA_CACHE_BYTES = 1024 * MIB  # of LoRAs that lie ready in the networks of a model, switched off
MASK_PIXELS = 1024  # of a mask's blur and padding
OUTPAINT_PIXELS = 4096  # on each side of a picture

# Weight files.
HEADER_BYTES = 16 * MIB  # of a safetensors file, its metadata included
TENSORS = 50_000  # in one file
PICKLE_BYTES = 64 * MIB  # of a pickle without its tensors' values
PICKLE_STEPS = 1_000_000  # that a pickle is read in; a tensor takes some 25
INDEX_STEPS = 10_000_000  # of a sharded checkpoint's index; a piece of a tensor takes some 100
PICKLE_VIEWS = 8  # times the file's size: what all its tensors hold together, tied ones counted each
FACTOR_NUMBERS = 2**28  # between two factors of a decomposed weight
PATTERNS = 10_000  # of an adapter's configuration: names with a rank or an alpha of their own

# Texts to draw and captions.
PROMPT_CHARACTERS = 100_000
WORD_LIST_BYTES = 4 * MIB  # the words that prompts of a service may not contain
LISTED_WORD_CHARACTERS = 64  # of one of them
VOCABULARY_BYTES = 16 * MIB  # the list of words that a model learned
PROMPT_CHUNKS = 128  # of the text encoder's length: some 4,000 words
PROMPT_BRACKETS = 64  # within each other
PROMPT_PARTS = 32  # joined by AND; each is a row of the network at every step
PROMPT_TEXTS_CHARACTERS = 4_000_000  # of all texts that a prompt becomes over its steps
PROMPT_STATES = 1024  # chunks of all texts that one picture is drawn after
PROMPT_WEIGHT = 10_000.0  # of a word, all brackets around it multiplied; float16 ends at 65,504
TOKENS = 4096  # of a text encoder's length

# Textual-inversion embeddings.
EMBEDDING_BYTES = 64 * MIB  # one file
EMBEDDING_VECTORS = 1024  # of one word; no prompt holds more
EMBEDDING_PIXELS = 8 * MIB  # of a picture that carries one

# Model folders.
CONFIG_NUMBER = 2**20  # in a configuration: widths, vocabularies, positions
UNSTORED_NUMBERS = 2**24  # that a model may have beyond twice those in its files: heads that no picture passes
TIMESTEPS = 100_000  # of a scheduler's training
HINT_CHANNELS = 4096  # of a layer by which a ControlNet reads its picture, and of such layers
PART_TENSORS = 1000  # of a part of a Stable Diffusion 1.x, whose UNet has 686
