"""One revision a released schema. What was released is never edited: the next change is the next file."""
