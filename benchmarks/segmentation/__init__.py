"""How well segments are found in films with known content, and what the defaults follow from."""
