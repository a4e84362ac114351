"""What a request says of its scroll: verse, date and seal, checked before anything is drawn."""

from datetime import date

from pai_modelscope.config import GenerationRequest
from pai_modelscope.errors import Fault
from pai_modelscope.images.scroll import (
    LONGEST,
    LONGEST_DATE,
    LONGEST_SEAL,
    ScrollText,
    missing_characters,
    phrases,
    season_date,
)
from pai_modelscope.prompting.simplified import simplified

_SEAL = "派"


def resolve_scroll(values: GenerationRequest, faults: list[Fault]) -> ScrollText | None:
    """What is written on the scroll, None where none is asked for. What is wrong is added to `faults`."""
    if any(fault.field.startswith(("scroll", "poem")) for fault in faults) or not values.scroll:
        return None
    if values.poem is None:
        faults.append(Fault("scroll", "scroll is given, but no poem to write on it: give poem"))
        return None
    verse = phrases(simplified(values.poem))
    signed = values.scroll_date if values.scroll_date is not None else season_date(date.today())
    seal = values.scroll_seal if values.scroll_seal is not None else _SEAL
    for name, text, most in (
        ("poem", "".join(verse), LONGEST),
        ("scroll_date", signed, LONGEST_DATE),
        ("scroll_seal", seal, LONGEST_SEAL),
    ):
        if "".join(phrases(text)) != text or not 0 < len(text) <= most:
            valid = f"one to {most} Chinese characters"
            faults.append(Fault(name, f"{name} has {len(text)} characters; on a scroll there may be {valid}", valid))
        elif missing := missing_characters(text):
            message = (
                f"the scroll's font lacks {' '.join(missing[:20])} of {name}: write it otherwise, or leave scroll out"
            )
            faults.append(Fault(name, message))
    return ScrollText(verse, signed, seal)
