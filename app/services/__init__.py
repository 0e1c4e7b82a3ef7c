"""What can be done with the library; asks adapters through `app.ports` and `app.db`."""
