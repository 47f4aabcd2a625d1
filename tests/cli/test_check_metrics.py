"""``hyperjobs check-metrics`` as a person at a terminal sees it."""

from __future__ import annotations

import json

PLAIN = {"NO_COLOR": "1", "TERM": "dumb"}


def test_on_a_terminal_it_is_a_table_with_a_count_below(hj):
    file = hj.home / "dashboard.json"
    targets = [{"expr": "hyperjobs_jobs{vm='x'}"}, {"expr": "node_load1"}]
    file.write_text(json.dumps({"panels": [{"title": "By machine", "targets": targets}]}))

    code, written = hj.on_terminal("check-metrics", "--all", str(file), env=PLAIN, width=160)

    lines = [line.rstrip() for line in written.splitlines()]
    assert code == 1
    assert lines[0].split() == ["FILE", "PANEL", "OR", "RULE", "WHAT"]
    assert lines[1].endswith("hyperjobs_jobs has no label vm")
    assert lines[2].endswith("node_load1 is not ours")
    assert lines[3:] == ["2 queries in 1 file: 1 not there; 1 metric is not ours"]


def test_on_a_terminal_nothing_found_is_the_count_alone(hj):
    file = hj.home / "dashboard.json"
    file.write_text(json.dumps({"panels": [{"targets": [{"expr": "hyperjobs_jobs"}]}]}))

    assert hj.on_terminal("check-metrics", str(file), env=PLAIN) == (0, "1 query in 1 file: all there\n")
