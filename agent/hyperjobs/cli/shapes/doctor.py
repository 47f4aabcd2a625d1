"""What is told of troubles and of what was mended."""

from typing import Literal, TypedDict

from hyperjobs.cli.shapes.kinds import Document


class FindingShape(TypedDict):
    """What one check found.

    Attributes:
        remedy: what to do; empty when nothing is to be done.
        exit_code: what it alone would make the command answer; 0 unless it failed.
        detail: more of it, by names of the check's own.
        seconds: that it took.
    """

    check: str
    level: Literal["ok", "warning", "failed", "skipped"]
    message: str
    remedy: str
    exit_code: int
    detail: Document
    seconds: float


class ExampleShape(TypedDict):
    """One row that would be mended."""

    job_id: str
    column: str
    before: str
    after: str


class FixShape(TypedDict):
    """Rows that were mended or put back, or would be.

    Attributes:
        run: by which ``--undo`` finds it; ``null`` of a dry run of ``--fix``.
        left: rows that were written meanwhile and left alone; ``null`` of a dry run of ``--fix``.
        kinds: kind → rows.
        backup: the one that was taken before; ``null`` when there was none.
        examples: kind → a row of it, of a dry run of ``--fix``; else ``null``.
        unended: finished jobs of which nothing tells when they ended, of a dry run of ``--fix``; else ``null``.
    """

    dry_run: bool
    run: str | None
    rows: int
    left: int | None
    kinds: dict[str, int]
    backup: str | None
    examples: dict[str, ExampleShape] | None
    unended: int | None
