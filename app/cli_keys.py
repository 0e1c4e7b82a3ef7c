"""`reeltag keys`: who may call the service from other machines."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_library import open_library, print_json, print_table

if TYPE_CHECKING:
    from app.domain.access import ApiKey

keys = typer.Typer(
    rich_markup_mode=None,
    name="keys",
    no_args_is_help=True,
    help="Make, list and revoke API keys.",
)

SCOPES = ("read", "write", "admin")


@keys.callback()
def _keys() -> None:
    """Make, list and revoke API keys.

    A service that is bound to more than its own machine asks everyone for one.
    """


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What people call it.", show_default=False)],
    scope: Annotated[
        str,
        typer.Option(
            help="What it is for: read; write (also upload, judge, delete); admin (also change "
            "the model, tag all films anew)."
        ),
    ] = "read",
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=36500, help="Days until it expires. Default: never.")
    ] = None,
    max_bytes: Annotated[
        int | None, typer.Option(min=0, help="Bytes of films that it may keep here.")
    ] = None,
    max_films: Annotated[
        int | None, typer.Option(min=0, help="Films that it may keep here.")
    ] = None,
    max_uploads: Annotated[
        int | None, typer.Option(min=1, help="Films that it may send at the same time.")
    ] = None,
    requests_per_min: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Requests that it may send a minute.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Make a key and show it, this once: the database keeps a hash only.

    Example: reeltag keys create scanner --scope write --max-films 1000
    """
    if scope not in SCOPES:
        raise typer.BadParameter(f"{scope!r} is none of {', '.join(SCOPES)}", param_hint="--scope")
    with open_library() as services:
        from datetime import UTC, datetime, timedelta

        from app.domain.access import Quota, Scope

        expires_at = None
        if expires_days is not None:
            expires_at = datetime.now(UTC) + timedelta(days=expires_days)
        quota = Quota(max_bytes, max_films, max_uploads, requests_per_min)
        key, secret = services.keys.create(name, Scope(scope), quota, expires_at)
        if as_json:
            print_json(_body(key) | {"key": secret})
            return
        typer.echo(secret)
        typer.echo(
            f"Key {key.id} ({key.name}, {key.scope.value}). It is not shown again: keep it now, "
            "and send it as `Authorization: Bearer KEY` or put it into REELTAG_API_KEY.",
            err=True,
        )


@keys.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """List keys with what they may do and when they were last used, to the hour."""
    with open_library() as services:
        found = services.keys.list()
        if as_json:
            print_json([_body(key) for key in found])
            return
        rows = [
            (
                key.id, key.name, key.scope.value, _state(key), _quota(key),
                "-" if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d %H:%M}",
            )
            for key in found
        ]  # fmt: skip
        print_table(("id", "name", "scope", "state", "quota", "last used"), rows, "No key.")


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="A key of `reeltag keys list`.")],
) -> None:
    """Take a key back: the next request with it is refused. Its films stay."""
    with open_library() as services:
        key = services.keys.revoke(key_id)
        typer.echo(f"{key.id}  {key.name}  revoked")


def _state(key: "ApiKey") -> str:
    from datetime import UTC, datetime

    if key.revoked_at is not None:
        return "revoked"
    if not key.is_valid(datetime.now(UTC)):
        return "expired"
    return "valid" if key.expires_at is None else f"until {key.expires_at:%Y-%m-%d}"


def _quota(key: "ApiKey") -> str:
    quota = key.quota
    limits = (
        (quota.max_bytes, "bytes"), (quota.max_films, "films"), (quota.max_uploads, "uploads"),
        (quota.requests_per_min, "requests/min"),
    )  # fmt: skip
    return ", ".join(f"{most} {word}" for most, word in limits if most is not None) or "-"


def _body(key: "ApiKey") -> dict[str, object]:
    from dataclasses import asdict

    moments = ("created_at", "expires_at", "revoked_at", "last_used_at")
    told = {name: getattr(key, name) for name in moments}
    return {
        "id": key.id,
        "name": key.name,
        "scope": key.scope.value,
        **asdict(key.quota),
        **{name: moment and moment.isoformat() for name, moment in told.items()},
    }
