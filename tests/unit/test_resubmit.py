"""Records that were refused and corrected: what is sent again of them, and what their expressions see."""

import json

import pytest

from drawbar.core.syncs.resubmit import CorrectedSource

SEEN = {"lookup": {}, "page": 0, "file": {"name": "a.csv"}}
FIRST, LAST = {"id": "1", "date": "2026-11-01"}, {"id": "2", "date": "2026-11-02"}


def sent_again(folder, line, **said):
    (folder / "a.jsonl").write_text(json.dumps({"record_no": 1, "reason": "wrong", "row": {"id": 1}, **line}) + "\n")
    (portion,) = CorrectedSource(folder, [], **said).portions(None, batch_rows=10)
    (batch,) = portion.batches(10)
    return batch.each[0]


def test_expressions_see_again_what_they_saw_whatever_it_was(tmp_path):
    assert sent_again(tmp_path, {"seen": SEEN}) == SEEN


@pytest.mark.parametrize("seen", [{}, {"run": FIRST}])
def test_a_record_keeps_the_date_of_the_run_that_refused_it_first(tmp_path, seen):
    line = {"seen": seen, "run": LAST if seen else FIRST}

    assert sent_again(tmp_path, line) == {"run": FIRST}
    assert sent_again(tmp_path, line, dated=True) == {}
