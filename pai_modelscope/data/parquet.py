"""Training sets in parquet files.

A parquet file may unfold to thousands of times its size. So its rows are read once, one at a time, and counted, before
`datasets` writes them to its cache, from which they then are fetched in any order.
"""

import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pai_modelscope import limits
from pai_modelscope.data.combined import Joined, join
from pai_modelscope.data.folders import Columns
from pai_modelscope.data.parquet_pages import unfolded_bytes
from pai_modelscope.data.stored_pictures import file_in
from pai_modelscope.data.tables import CONDITION, check_columns, open_table
from pai_modelscope.errors import UserError, reason
from pai_modelscope.untrusted import open_regular

if TYPE_CHECKING:
    from datasets import Dataset

_ONE_AT_A_TIME = 200_000  # rows; of more, as many are read at once as make it so many turns
_AT_ONCE = 64 * limits.MIB  # bytes that are written to the cache together


def open_parquet(files: list[Path], columns: Columns) -> Joined:
    """Parquet files with pictures in bytes, as Hugging Face's {'bytes', 'path'}, or as paths beside each file.

    Raises:
        UserError: no parquet, no such column, more rows than `limits.ROWS`, far more content than the file is large.
    """
    tables = {file: _table(file, columns) for file in files}
    filled = [file for file in files if len(tables[file])] or files[:1]
    return join([open_table(tables[file], columns, str(file), partial(file_in, file.parent)) for file in filled])


def _table(file: Path, columns: Columns) -> "Dataset":
    from datasets import Dataset, config

    try:
        with open_regular(file) as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        names, largest = _checked(file, columns)
        # `datasets` tells files in its cache by path and time alone: a changed one may have kept both.
        cache = Path(config.HF_DATASETS_CACHE) / content
        rows = max(1, min(1000, _AT_ONCE // max(1, largest)))
        return Dataset.from_parquet(str(file), cache_dir=str(cache), columns=names, batch_size=rows)
    except UserError:
        raise
    except Exception as error:  # pyarrow's and datasets' own, of many kinds
        raise UserError(f"{file} can't be read as parquet ({reason(error)}); download or make it again.") from None


def _checked(file: Path, columns: Columns) -> tuple[list[str], int]:
    """The columns to read, and the bytes of the largest row."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file, pre_buffer=False) as opened:
        metadata, known = opened.metadata, list(opened.schema_arrow.names)
        wanted = [columns.image, columns.caption, columns.condition or CONDITION, columns.mask]
        names = [name for name in dict.fromkeys(wanted) if name and name in known]
        check_columns(known, columns, str(file))
        if metadata.num_rows > limits.ROWS:
            raise UserError(f"{file} has {metadata.num_rows} rows; valid are up to {limits.ROWS}: give several files.")
        most = limits.PARQUET_BYTES + limits.PARQUET_GROWTH * file.stat().st_size
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
        chunks = [chunk for chunk in chunks if chunk.path_in_schema.split(".")[0] in names]
        claimed, total, largest = sum(chunk.total_uncompressed_size for chunk in chunks), 0, 0
        if claimed <= most:  # and the pages, which a reader believes, say no more
            with open_regular(file) as raw:
                claimed = sum(unfolded_bytes(raw, file.stat().st_size, chunk) for chunk in chunks)
        if claimed <= most:
            at_once = 1 + metadata.num_rows // _ONE_AT_A_TIME
            for batch in opened.iter_batches(batch_size=at_once, columns=names, use_threads=False):
                total, largest = total + batch.nbytes, max(largest, batch.nbytes)
                if total > most:
                    break
        if claimed > most or total > most:
            raise UserError(
                f"{file} has {file.stat().st_size} bytes and unfolds to more than {most}: give pictures as PNG or "
                "JPEG files in it."
            )
    return names, largest
