"""Jobs: films that wait for a worker, and how a worker goes through them."""

from app.jobs.engine import DbosJobQueue, Worker

__all__ = ["DbosJobQueue", "Worker"]
