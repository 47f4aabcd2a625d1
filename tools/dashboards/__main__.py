"""Write the dashboards where Grafana and people find them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from dashboards import backup, jobs, overview, store

PLACE: Final = Path(__file__).parents[2] / "grafana" / "dashboards"


def rendered() -> dict[str, str]:
    """File name → its text."""
    return {
        f"{found['uid']}.json": _text(found) for found in (part.build() for part in (overview, jobs, store, backup))
    }


def main() -> None:
    """Write them, and remove what is no longer made."""
    texts = rendered()
    PLACE.mkdir(parents=True, exist_ok=True)
    for old in PLACE.glob("*.json"):
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        (PLACE / name).write_text(text, encoding="utf-8")


def _text(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
