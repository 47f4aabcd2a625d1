"""The dashboards fit the types that Grafana's own front end is written in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from dashboards.__main__ import PLACE

_PACKAGES = ("@grafana/schema@11.6.0", "ts-json-schema-generator@2.4.0")
_TYPES = "@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen"
_OPTIONS = {
    "compilerOptions": {
        "module": "esnext",
        "moduleResolution": "bundler",
        "target": "es2022",
        "lib": ["es2022"],
        "strict": True,
        "skipLibCheck": True,
    }
}


@pytest.fixture(scope="module")
def schema() -> dict:
    """A JSON Schema of a dashboard, made from Grafana's types; its parts are kept with the environment, like wheels."""
    place = Path(sys.prefix) / "npm"
    made = place / "dashboard.schema.json"
    if not made.exists():
        place.mkdir(exist_ok=True)
        install = [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
            "--ignore-scripts",
            "--prefix",
            place,
        ]
        subprocess.run([*install, *_PACKAGES], check=True, capture_output=True, timeout=300)
        (place / "dashboard.ts").write_text(
            f"import type {{ Dashboard }} from './node_modules/{_TYPES}';\nexport type Board = Dashboard;\n"
        )
        (place / "tsconfig.json").write_text(json.dumps(_OPTIONS))
        program = "node_modules/ts-json-schema-generator/bin/ts-json-schema-generator.js"
        words = ["--path", "dashboard.ts", "--type", "Board", "--tsconfig", "tsconfig.json", "--no-type-check"]
        command = ["node", program, *words, "--additional-properties", "-o", "made.json"]
        subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=120)
        (place / "made.json").replace(made)
    return json.loads(made.read_text())


@pytest.mark.tool("npm")
@pytest.mark.parametrize("file", sorted(PLACE.glob("*.json")), ids=lambda file: file.stem)
def test_a_dashboard_is_of_grafanas_own_type(schema, file):
    jsonschema.Draft7Validator(schema).validate(json.loads(file.read_text()))


@pytest.mark.tool("npm")
@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        ("schemaVersion", "41"),
        ("graphTooltip", 7),
        ("tags", "hyperjobs"),
        ("panels", [{"type": "stat", "gridPos": {"x": "0"}}]),
    ],
)
def test_what_grafana_does_not_know_is_found(schema, where, wrong):
    dashboard = json.loads((PLACE / "hyperjobs-overview.json").read_text())

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate({**dashboard, where: wrong})
