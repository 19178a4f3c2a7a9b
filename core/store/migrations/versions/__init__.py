"""
One revision for each version of the schema. What was released is never edited: the next change is the next file.

A new version: change the metadata, raise VERSION in `tables.py` (and SERVES_FROM when something goes that the program before
needs), add the file; `tests/unit/test_schema.py` prints the lines that belong into it.
"""
