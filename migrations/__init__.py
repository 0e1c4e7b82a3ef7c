"""How an existing database comes to this version's tables; Alembic's home."""
