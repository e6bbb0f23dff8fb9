"""Results come in order, and little is in flight."""

from collections.abc import Iterator

from pipeline.executor import in_batches, ordered_map, worker_pool


def square(number: int) -> int:
    return number * number


def test_same_answer_for_any_number_of_workers() -> None:
    expected = [number * number for number in range(30)]
    for workers in (1, 2):
        with worker_pool(workers) as pool:
            assert list(ordered_map(pool, square, range(30), in_flight=3)) == expected


def test_inputs_are_taken_as_they_are_needed() -> None:
    taken = 0

    def count() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    with worker_pool(2) as pool:
        results = ordered_map(pool, square, count(), in_flight=4)
        next(results)
        assert taken <= 5
        results.close()


def test_batches() -> None:
    assert list(in_batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(in_batches([], 2)) == []
