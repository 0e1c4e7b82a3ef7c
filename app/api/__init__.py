"""The REST interface: HTTP in, services called, JSON out."""
