"""``hyperjobs show ID``."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.command import Command
from hyperjobs.cli.moment import in_zone, show_age
from hyperjobs.cli.past import Past, past_options
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.selection import View, view_options
from hyperjobs.cli.setting import verbose_option
from hyperjobs.cli.shape import job_shape
from hyperjobs.cli.table import emit, emit_json, emit_rich, new_console, status_text
from hyperjobs.cli.text import field, json_line, printable
from hyperjobs.duration import format_duration

if TYPE_CHECKING:
    from datetime import datetime

    from rich.text import Text

    from hyperjobs.store.models import Job

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_KIB = 1024


@click.command(
    "show",
    cls=Command,
    examples=[
        ("Everything about one job", "hyperjobs show migration-20261122-01506"),
        ("The job as the newest backup before today has it", "hyperjobs show migration-20261122-01506 --at today"),
    ],
)
@click.argument("job_id", type=UnicodeText(), metavar="ID", shell_complete=offer.job_ids())
@past_options
@store_options
@view_options
@verbose_option
def show_command(*, job_id: str, place: StorePlace, past: Past, view: View) -> None:
    """Show everything about one job."""
    with past.open(place) as store:
        job = store.load_job(job_id)
    if view.as_json:
        emit_json(job_shape(job))
    elif view.as_table:
        _show_card(job, view)
    else:
        for name, value in job_shape(job).items():
            emit(f"{name}\t{_plain(value)}")


def _plain(value: Any) -> str:
    """One value as a field: an object as JSON, which is safe as it is; several words with commas between."""
    if isinstance(value, dict):
        return json_line(value)
    if isinstance(value, list):
        return field(",".join(value))
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else field(str(value))


def _show_card(job: Job, view: View) -> None:
    from rich.table import Table  # noqa: PLC0415 - only where a person looks
    from rich.text import Text  # noqa: PLC0415 - only where a person looks

    card = Table.grid(padding=(0, 2, 0, 0))
    card.add_column(style="bold", no_wrap=True)
    card.add_column(overflow="fold")
    for name, value in _card(job, view):
        card.add_row(name, value if isinstance(value, Text) else Text(value))
    emit_rich(new_console(), card)


def _card(job: Job, view: View) -> list[tuple[str, str | Text]]:
    rows: list[tuple[str, str | Text]] = [
        ("ID", printable(job.id)),
        ("Name", printable(job.name)),
        ("Status", status_text(job.status)),
        ("Progress", f"{job.progress:g}%"),
        ("VM", printable(job.vm_name)),
        ("VM path", printable(job.vm_path)),
        ("Provider", printable(job.provider)),
        ("User", printable(job.user) or "-"),
        ("Output", printable(job.output_dir)),
        ("Created", _when(job.created_at, view)),
        ("Started", _when(job.started_at, view)),
        ("Completed", _when(job.completed_at, view)),
        ("Took", _took(job)),
        ("Size", show_bytes(job.total_size)),
        ("Files", str(job.files_count)),
    ]
    if job.error:
        rows.append(("Error", _lines(job.error)))
    if job.metadata:
        rows.append(("Metadata", _lines(json.dumps(job.metadata, indent=2, ensure_ascii=False))))
    if job.flags:
        rows.append(("Badly written", ", ".join(printable(flag) for flag in job.flags)))
    return rows


def _when(at: datetime | None, view: View) -> str:
    if at is None:
        return "-"
    age = show_age(at, now=view.now)
    return (
        f"{in_zone(at, utc=view.utc).isoformat(sep=' ', timespec='seconds')} ({age}{'' if age[:2] == 'in' else ' ago'})"
    )


def _took(job: Job) -> str:
    if job.started_at is None or job.completed_at is None:
        return "-"
    seconds = int((job.completed_at - job.started_at).total_seconds())
    return format_duration(timedelta(seconds=seconds))


def _lines(text: str) -> str:
    """Text of several lines, each made safe to show."""
    return "\n".join(printable(line) for line in text.split("\n"))


def show_bytes(size_bytes: int) -> str:
    """A size for a person, as ``19.1 GiB``, and exact when it is small."""
    if abs(size_bytes) < _KIB:
        return f"{size_bytes} B"
    size = float(size_bytes)
    for unit in _UNITS:
        size /= _KIB
        if abs(size) < _KIB:
            return f"{size:.1f} {unit}"
    return f"{size:.1f} {_UNITS[-1]}"
