"""Reading rows, also those with text that is not valid UTF-8: a writer in another language can leave it anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import apsw


def rows(db: apsw.Connection, sql: str, bindings: Sequence[Any] = ()) -> list[Any]:
    """Every row of a statement of ours, whose column types the caller knows."""
    return db.execute(sql, bindings).fetchall()


def fetch(
    db: apsw.Connection, columns: Sequence[str], rest: str, bindings: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    """Like ``SELECT columns rest``, with what is no UTF-8 replaced by U+FFFD instead of an error."""
    try:
        return db.execute(f"SELECT {','.join(columns)} {rest}", bindings).fetchall()
    except UnicodeDecodeError:
        return list(_decoded(db, columns, rest, bindings))


def stream(
    db: apsw.Connection, columns: Sequence[str], rest: str, bindings: Sequence[Any] = ()
) -> Iterator[tuple[Any, ...]]:
    """Like :func:`fetch`, row by row; dearer, for it never trusts a text."""
    yield from _decoded(db, columns, rest, bindings)


def _decoded(
    db: apsw.Connection, columns: Sequence[str], rest: str, bindings: Sequence[Any]
) -> Iterator[tuple[Any, ...]]:
    pairs = ",".join(f"CASE typeof({c}) WHEN 'text' THEN CAST({c} AS BLOB) ELSE {c} END,typeof({c})" for c in columns)
    for row in db.execute(f"SELECT {pairs} {rest}", bindings):
        yield tuple(
            value.decode(errors="replace") if kind == "text" else value
            for value, kind in zip(row[::2], row[1::2], strict=True)
        )
