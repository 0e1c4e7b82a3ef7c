"""What a request holds while it sends a film: a place among its key's uploads, a claim to its word.

Both are rows that expire; they are renewed as long as the request lives. Knows no film.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from anyio import to_thread

from app.domain.access import Caller
from app.errors import ReeltagError
from app.services.idempotency import Claim
from app.services.keys import RENEW_S
from app.services.registry import Services

LOGGER = logging.getLogger("reeltag.api")


@asynccontextmanager
async def place_for(services: Services, caller: Caller) -> AsyncIterator[None]:
    """Hold one of the caller's places for uploads.

    Raises:
        TooManyUploads: All are taken.
    """
    if caller.quota.max_uploads is None:
        yield
        return
    slot = await to_thread.run_sync(services.keys.take_slot, caller)
    try:
        async with _renewed(slot.renew):
            yield
    finally:
        await to_thread.run_sync(slot.free)


@asynccontextmanager
async def claim_to(
    services: Services, caller: Caller, word: str | None
) -> AsyncIterator[Claim | None]:
    """Claim the request that the caller calls `word`; None claims nothing.

    Raises:
        StillAnswering: Another request of this word is being answered.
    """
    if word is None:
        yield None
        return
    claim = await to_thread.run_sync(services.idempotency.begin, caller.key_id, word)
    try:
        async with _renewed(claim.renew):
            yield claim
    except BaseException:
        await to_thread.run_sync(claim.give_up)
        raise


@asynccontextmanager
async def _renewed(renew: Callable[[], None]) -> AsyncIterator[None]:
    async def keep() -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await to_thread.run_sync(renew)
            except ReeltagError as exc:
                LOGGER.warning("an upload's place could not be renewed: %s", exc)

    task = asyncio.create_task(keep())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
