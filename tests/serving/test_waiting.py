"""Jobs that wait: turns, batches, priorities, bounds."""

import threading

import pytest

from pai_modelscope.serving.waiting import FairQueue, Full, Waiting


def queue(*jobs: Waiting, most: int = 100, most_of_client: int = 100) -> FairQueue:
    made = FairQueue(most, most_of_client)
    for job in jobs:
        made.put(job)
    return made


def order(waiting: FairQueue) -> list[str]:
    left = []
    while len(waiting):
        first = waiting.first(0)
        assert first is not None and waiting.position(first.id) == 0
        left += [job.id for job in waiting.take(first, 1)]
    return left


def test_clients_take_turns_whatever_each_asks_for() -> None:
    greedy = [Waiting(f"a{number}", "ann", number) for number in range(5)]
    waiting = queue(*greedy, Waiting("b0", "bob", 0), Waiting("c0", "cyd", 0), Waiting("b1", "bob", 1))
    assert waiting.position("b1") == 4
    assert order(waiting) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4"]


def test_a_late_client_waits_for_one_job_of_each_other() -> None:
    waiting = queue(*(Waiting(f"a{number}", "ann", number) for number in range(4)))
    assert order_of(waiting, 1) == ["a0"]
    waiting.put(Waiting("b0", "bob", 0))
    assert order(waiting)[:2] == ["a1", "b0"]


def order_of(waiting: FairQueue, count: int) -> list[str]:
    left = []
    for _ in range(count):
        first = waiting.first(0)
        assert first is not None
        left += [job.id for job in waiting.take(first, 1)]
    return left


def test_higher_priorities_leave_before_others_of_their_client_only() -> None:
    waiting = queue(Waiting("a0", "ann", 0), Waiting("b0", "bob", 0), Waiting("a1", "ann", 1, priority=1))
    waiting.put(Waiting("a2", "ann", 1, priority=1))
    assert order(waiting) == ["a1", "b0", "a2", "a0"]


def test_clients_have_bounds_and_ranks_of_their_own() -> None:
    waiting = queue(Waiting("a0", "ann", 0), Waiting("b0", "bob", 0), Waiting("b1", "bob", 1), most_of_client=2)
    waiting.limit({"ann": (3, -1), "cyd": (1, 1)})
    for name in ("a1", "a2", "c0"):
        waiting.put(Waiting(name, {"a": "ann", "c": "cyd"}[name[0]], name))
    for client, most in (("ann", 3), ("bob", 2), ("cyd", 1)):
        with pytest.raises(Full) as full:
            waiting.put(Waiting("x", client, "x"))
        assert str(full.value) == f"{most} jobs of yours wait: come again"
    assert order(waiting) == ["c0", "b0", "b1", "a0", "a1", "a2"]


def test_what_can_be_drawn_together_leaves_together() -> None:
    waiting = queue(
        Waiting("a0", "ann", "x"),
        Waiting("a1", "ann", "y"),
        Waiting("b0", "bob", "x"),
        Waiting("c0", "cyd", "x", rows=2),
        Waiting("c1", "cyd", "x"),
    )
    first = waiting.first(0)
    assert first is not None
    assert [job.id for job in waiting.take(first, 3)] == ["a0", "b0", "c1"], "c0 has two pictures: one too many"
    assert order(waiting) == ["a1", "c0"]
    assert waiting.take(first, 3) == [], "it does not wait any more"


def test_bounds_of_all_and_of_each_client() -> None:
    waiting = queue(Waiting("a0", "ann", 0), Waiting("a1", "ann", 0), most=3, most_of_client=2)
    with pytest.raises(Full) as of_client:
        waiting.put(Waiting("a2", "ann", 0))
    assert of_client.value.of_client and of_client.value.waiting == 2
    waiting.put(Waiting("b0", "bob", 0))
    with pytest.raises(Full) as of_all:
        waiting.check("cyd")
    assert not of_all.value.of_client
    waiting.put(Waiting("c0", "cyd", 0), anyway=True)
    assert len(waiting) == 4


def test_one_that_is_cancelled_leaves() -> None:
    waiting = queue(Waiting("a0", "ann", 0), Waiting("a1", "ann", 0))
    assert waiting.remove("a0") and not waiting.remove("a0")
    assert waiting.position("a0") is None and order(waiting) == ["a1"]


def test_close_wakes_who_waits() -> None:
    waiting, got = queue(), []
    thread = threading.Thread(target=lambda: got.append(waiting.first()))
    thread.start()
    waiting.close()
    thread.join(10)
    assert got == [None]
