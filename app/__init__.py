"""The service: films in, tags out. Start reading at `app/pipeline.py`."""
