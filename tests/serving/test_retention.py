"""Who gives way when there is too much."""

import random

from pai_modelscope.serving.retention import Held, beyond


def test_the_oldest_of_who_holds_most_goes_first() -> None:
    held = [
        Held("a2", "ann", 4),
        Held("b1", "bob", 3),
        Held("a1", "ann", 4),
        Held("b0", "bob", 3),
        Held("a0", "ann", 4),
    ]
    assert beyond(held, 18) == set()
    assert beyond(held, 17) == {"a0"}
    assert beyond(held, 10) == {"a0", "a1"}
    assert beyond(held, 7) == {"a0", "a1", "b0"}
    assert beyond(held, -1) == {"a0", "a1", "a2", "b0", "b1"} and beyond([], -1) == set()


def test_who_holds_less_than_a_fair_share_loses_nothing() -> None:
    rng = random.Random(0)
    for _ in range(100):
        held = [Held(str(number), rng.choice("abcdef"), rng.randrange(1, 20)) for number in range(60)]
        most = rng.randrange(1, 700)
        gone = beyond(held, most)
        owners = {each.owner for each in held}
        assert sum(each.size for each in held if each.key not in gone) <= most
        for owner in owners:
            if sum(each.size for each in held if each.owner == owner) <= most / len(owners):
                assert not any(each.key in gone for each in held if each.owner == owner)
