"""Which keys count as gone from a source; both ends are made of lists, hashed as the databases do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drawbar.connectors.sql_keys import hashed
from drawbar.core.syncs.config import DeleteRules, SyncConfig
from drawbar.core.syncs.deletes import Bucket, Key, gone

RULES = DeleteRules(max_share=1)
CONFIG = SyncConfig.model_validate(
    {
        "from": {"adapter": "a", "table": "s"},
        "to": {"adapter": "b", "table": "t", "mode": "upsert"},
        "deletes": {"max_share": 1},
    }
)


class End:
    """A table of keys; `asked` are the buckets whose keys travelled."""

    def __init__(self, *keys: Key) -> None:
        self.all, self.key, self.asked = keys, ["code", "n"], set[int]()

    def keys(self, names: Sequence[str]) -> "End":
        return self

    def buckets(self) -> Mapping[int, Bucket]:
        found: dict[int, Bucket] = {}
        for key in self.all:
            at, number = hashed(key)
            before = found.get(at, Bucket(0, 0))
            found[at] = Bucket(before.count + 1, before.sum + number)
        return found

    def of(self, buckets: Sequence[int]) -> Iterator[Key]:
        self.asked.update(buckets)
        return (key for key in self.all if hashed(key)[0] in buckets)

    def total(self) -> int:
        return len(self.all)

    def delete(self, keys: Any, **_: Any) -> None: ...


def found(source: End, target: End) -> list[Key]:
    return sorted(gone(CONFIG, source, target, RULES).keys, key=str)


def test_a_key_that_differs_only_in_case_or_trailing_blanks_is_not_gone() -> None:
    """Its hash is another, so that it stands in another bucket of the source than of the target."""
    source = End(("ABC", 1), ("x ", 2), ("Straße", 3), ("same", 4), ("new", 5))
    target = End(("abc", 1), ("x", 2), ("STRASSE", 3), ("same", 4), ("old", 6))

    assert found(source, target) == [("old", 6)]


def test_a_part_that_is_null_is_compared_like_an_empty_one() -> None:
    assert found(End((None, 1), ("a", None)), End(("", 1), ("a", None), (None, 7))) == [(None, 7)]


def test_keys_of_equal_buckets_do_not_travel() -> None:
    keys = [(f"k{n}", n) for n in range(2000)]
    source, target = End(*keys), End(*keys, ("gone", 1))

    assert found(source, target) == [("gone", 1)]
    assert len(target.asked) == 1 and len(source.asked) <= 1
