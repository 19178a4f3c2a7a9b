"""Several workers on one folder at once: who wins which file."""

import threading


def taken_by(workers, portions):
    """Let all carry what `portions` gives each of them; give the ids of all rows that any of them had."""
    taken, errors = [], []

    def work(adapter):
        try:
            for portion in portions(adapter):
                taken.extend(row["id"] for batch in portion.batches(10) for row in batch.rows)
                portion.finished()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(adapter,)) for adapter in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    return taken
