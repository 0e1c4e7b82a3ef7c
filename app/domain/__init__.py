"""What films, shots, tags and segments are: pure values and formulas, no I/O."""
