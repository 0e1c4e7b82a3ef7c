"""Reeltag's client for Python: typed calls of the REST interface, and nothing of the service.

    from reeltag.client import Client

    with Client("http://127.0.0.1:8000") as reeltag:
        added = reeltag.add_film("holiday.mp4")
        reeltag.wait(added.film.id)
        print([tag.tag for tag in reeltag.list_film_tags(added.film.id).items])

Depends on httpx and pydantic only.
"""
