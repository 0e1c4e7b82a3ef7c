"""Decoding: a film on the local disk becomes shots with key frames, in a child process."""
