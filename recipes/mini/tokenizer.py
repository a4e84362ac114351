"""The vocabulary: one token a Chinese character, letters and digits one by one, as BertTokenizer splits them."""

import string
from collections.abc import Iterable
from pathlib import Path

from transformers import BertTokenizer

from recipes.mini.models import PROMPT_TOKENS

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Chinese marks and their ASCII forms. Written as escapes where the two look alike.
FULL_WIDTH = "\uff0c\u3002\u3001\uff01\uff1f\uff1a\uff1b\uff08\uff09\uff5e"  # , 。 、 ! ? : ; ( ) ~
PUNCTUATION = FULL_WIDTH + "《》【】「」“”‘’…—·" + string.punctuation


def gb2312_level1() -> set[str]:
    """The 3,755 commonest characters, in the order of the standard's rows 16 to 55."""
    characters = set()
    for row in range(0xB0, 0xD8):
        for cell in range(0xA1, 0xFF):
            try:
                characters.add(bytes([row, cell]).decode("gb2312"))
            except UnicodeDecodeError:  # row 55 ends early
                continue
    return characters


def vocabulary(texts: Iterable[str]) -> list[str]:
    """GB2312 level 1, punctuation, letters and digits, and every further character of `texts`."""
    characters = gb2312_level1() | set(PUNCTUATION) | {c.lower() for text in texts for c in text if not c.isspace()}
    alphanumeric = string.ascii_lowercase + string.digits
    # Without the ## forms every word of two or more letters would become one [UNK].
    continuations = [f"##{c}" for c in alphanumeric]
    return SPECIAL + sorted(characters | set(alphanumeric)) + continuations


def save_tokenizer(texts: Iterable[str], folder: Path) -> BertTokenizer:
    """Write `vocab.txt` beside `tokenizer.json`: transformers 4 reads the first, transformers 5 the second."""
    folder.mkdir(parents=True, exist_ok=True)
    vocab_file = folder / "vocab.txt"
    tokens = vocabulary(texts)
    vocab_file.write_text("\n".join(tokens) + "\n", encoding="utf-8")
    tokenizer = BertTokenizer(
        vocab={token: i for i, token in enumerate(tokens)}, model_max_length=PROMPT_TOKENS, do_lower_case=True
    )
    tokenizer.save_pretrained(folder)
    return tokenizer
