"""Rows: the tables, the sessions and the queries. Knows SQL and no HTTP."""
