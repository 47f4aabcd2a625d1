"""``hyperjobs check-metrics``: what is asked for and not there is found, what is there is not, in any file of the kind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.cli.program import program
from hyperjobs.errors import ConfigError
from hyperjobs.metrics.catalogue import catalogue
from hyperjobs.rules.contract.check import check
from hyperjobs.rules.contract.document import read_queries
from hyperjobs.rules.contract.known import Owner, series
from hyperjobs.rules.contract.query import Reader
from hyperjobs.rules.contract.variable import replace_variables
from hyperjobs.rules.definition import compat
from hyperjobs.rules.output import Format, rule_text
from hyperjobs.rules.render import Kind, groups
from hyperjobs.rules.values import default_values

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "deploy").rglob("*.rules.yml")) + sorted((ROOT / "grafana").rglob("*.json"))
GOLDEN = ROOT / "tests" / "metrics" / "golden" / "scrape.txt"


def faults(query, recorded=frozenset(), targets=frozenset()):
    """(metric, label) of all that is not there."""
    return [(fault.metric, fault.label) for fault in Reader(frozenset(recorded), targets).read(query).faults]


def dashboard(path, *panels, **more):
    """A Grafana dashboard with these panels."""
    path.write_text(json.dumps({"title": "T", "schemaVersion": 39, "panels": list(panels), **more}))
    return path


def panel(title, *exprs, **more):
    """A panel with these queries."""
    return {"title": title, "targets": [{"expr": expr} for expr in exprs], **more}


def found(*paths):
    """(place, metric, label) of all that is not there in files."""
    return [(each.place, each.metric, each.label) for each in check(paths).faults]


def test_all_that_is_shipped_asks_for_what_is_there():
    report = check(SHIPPED)

    assert report.faults == ()
    assert report.others == ()
    assert report.queries >= 66


def test_the_operators_manifests_do_too(tmp_path):
    files = []
    for kind in Kind:
        file = tmp_path / f"{kind}.yaml"
        file.write_text(rule_text([kind], default_values(), Format.OPERATOR))
        files.append(file)

    assert check(files).faults == ()
    assert check(files).queries == check(sorted((ROOT / "deploy" / "prometheus").glob("*.rules.yml"))).queries


def test_what_waits_for_its_metric_asks_for_nothing_else(tmp_path):
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": groups(Kind.ALERTS, default_values(), with_reserved=True)}))

    assert all(fault.message.endswith("is reserved, and nothing exports it yet") for fault in check([file]).faults)
    for name, labels in re.findall(r"hyperjobs_(\w+)\{([^}]*)\}", file.read_text()):
        if catalogue().get(name) and catalogue()[name].is_reserved:
            assert set(re.findall(r"(\w+)(?==)", labels)) <= {"job", *catalogue()[name].labels}


def test_every_series_of_a_scrape_is_known_with_its_labels():
    for line in GOLDEN.read_text().splitlines():
        if line and not line.startswith("#"):
            name, labels = re.fullmatch(r"(\w+)(?:\{(.*)\})? \S+", line).groups()
            known = series(name)
            assert known.owner is Owner.OURS, name
            assert set(re.findall(r"(\w+)=\"", labels or "")) <= known.labels, name


@pytest.mark.parametrize("entry", catalogue().values(), ids=lambda entry: entry.name)
def test_every_metric_of_the_catalogue_is_judged_by_its_labels(entry):
    name = f"{entry.name}_count" if entry.type == "histogram" else entry.name
    if entry.is_reserved:
        assert faults(name) == [(name, "")]
        return
    known = ",".join(f'{label}!="x"' for label in (*entry.labels, "job", "instance"))

    assert faults(f"{name}{{{known}}}") == []
    assert faults(f'{name}{{vm="x"}}') == [(name, "vm")]
    assert faults(f"sum by (vm) ({name})") == [(name, "vm")]


@pytest.mark.parametrize(
    ("query", "missing"),
    [
        ("hyperjobs_jobs", []),
        ("hyperjobs_job", [("hyperjobs_job", "")]),
        ('{__name__="hyperjobs_job"}', [("hyperjobs_job", "")]),
        ('{__name__=~"hyperjobs_.*"}', []),
        ("up + scrape_duration_seconds + process_open_fds", []),
        ('ALERTS{alertname="X",anything="y"}', []),
        ("node_memory_MemFree_bytes{whatever='x'}", []),
        ("hyperjobs_job_duration_seconds", [("hyperjobs_job_duration_seconds", "")]),
        ('hyperjobs_job_duration_seconds_bucket{le="60"}', []),
        ('hyperjobs_job_duration_seconds_sum{le="60"}', [("hyperjobs_job_duration_seconds_sum", "le")]),
        ("histogram_quantile(0.9, sum by (le, provider) (rate(hyperjobs_job_duration_seconds_bucket[5m])))", []),
        ("histogram_quantile(0.9, sum by (le, user) (rate(hyperjobs_job_duration_seconds_bucket[5m])))",
         [("hyperjobs_job_duration_seconds_bucket", "user")]),
        ("sum by (le) (histogram_quantile(0.9, hyperjobs_job_duration_seconds_bucket))",
         [("hyperjobs_job_duration_seconds_bucket", "le")]),
        ("sum by (provider, vm) (hyperjobs_jobs)", [("hyperjobs_jobs", "vm")]),
        ("sum by (status) (sum by (provider) (hyperjobs_jobs))", [("hyperjobs_jobs", "status")]),
        ("sum by (status) (sum without (status) (hyperjobs_jobs))", [("hyperjobs_jobs", "status")]),
        ("sum by (provider) (sum without (status) (hyperjobs_jobs))", []),
        ("topk by (provider) (3, hyperjobs_jobs)", []),
        ("sum by (status) (topk(3, hyperjobs_jobs))", []),
        ('sum by (word) (count_values("word", hyperjobs_jobs))', []),
        ("hyperjobs_jobs / on (provider) group_left hyperjobs_stalled_jobs", []),
        ("hyperjobs_jobs / on (task) hyperjobs_stalled_jobs", [("hyperjobs_jobs", "task"), ("hyperjobs_stalled_jobs", "task")]),
        ("hyperjobs_jobs * on (instance) group_left (version) hyperjobs_build_info", []),
        ("hyperjobs_jobs * on (instance) group_left (release) hyperjobs_build_info", [("hyperjobs_build_info", "release")]),
        ("sum by (version) (hyperjobs_jobs * on (instance) group_left (version) hyperjobs_build_info)", []),
        ("hyperjobs_build_info * on (instance) group_right (version) hyperjobs_jobs", []),
        ("hyperjobs_jobs and on (vm) hyperjobs_stalled_jobs", [("hyperjobs_jobs", "vm"), ("hyperjobs_stalled_jobs", "vm")]),
        ("hyperjobs_jobs > 3 unless hyperjobs_nothing", [("hyperjobs_nothing", "")]),
        ("sum by (status) (hyperjobs_stalled_jobs or hyperjobs_jobs)", []),
        ("sum by (status) (hyperjobs_stalled_jobs and hyperjobs_jobs)", [("", "status")]),
        ('sum by (short) (label_replace(hyperjobs_jobs, "short", "$1", "provider", "(..).*"))', []),
        ("sum by (task) (time() - hyperjobs_task_last_run_timestamp_seconds)", []),
        ("sum by (x) (vector(1))", [("", "x")]),
        ('sum by (job) (absent(up{job="x"}))', []),
        ('sum by (pod) (absent(up{job="x"}))', [("up", "pod")]),
        ("max_over_time(sum(hyperjobs_job)[1h:5m])", [("hyperjobs_job", "")]),
        ("-hyperjobs_job", [("hyperjobs_job", "")]),
        ("hyperjobs_job / hyperjobs_job", [("hyperjobs_job", "")]),
        ("provider:hyperjobs_failure_ratio:6h", [("provider:hyperjobs_failure_ratio:6h", "")]),
        ("hyperjobs:backup_age_seconds", [("hyperjobs:backup_age_seconds", "")]),
        ("hyperjobs_jobs{", [("", "")]),
        ("", [("", "")]),
    ],
)  # fmt: skip
def test_a_query_is_judged_by_names_and_labels(query, missing):
    assert faults(query) == missing


def test_labels_that_the_scrape_adds_can_be_named():
    assert faults('hyperjobs_jobs{rack="3"}') == [("hyperjobs_jobs", "rack")]
    assert faults('sum by (rack) (hyperjobs_jobs{rack="3"})', targets=frozenset({"rack"})) == []


@pytest.mark.parametrize(
    ("query", "replaced"),
    [
        ("rate(x[$__rate_interval])", "rate(x[5m])"),
        ("rate(x[${__rate_interval}])", "rate(x[5m])"),
        ("rate(x[$step])", "rate(x[5m])"),
        ("rate(x[[[step]]])", "rate(x[5m])"),
        ("max_over_time(x[1h:$res])", "max_over_time(x[1h:5m])"),
        ("x offset $back", "x offset 5m"),
        ("x / $__range_s", "x / 60"),
        ('x{a=~"$a",b=~"${b:regex}",c="[[c]]",d="a.${d.e}"}', 'x{a=~"x",b=~"x",c="x",d="a.x"}'),
        ("x{a=~'$a'}", "x{a=~'x'}"),
        ('x{a="\\"$a"}', 'x{a="\\"x"}'),
        ("sum by ($by) (x)", "sum by (grafana_variable__) (x)"),
        ("${metric:raw}", "grafana_variable__"),
        ('x{a=~"b$"}', 'x{a=~"b$"}'),
    ],
)
def test_grafanas_variables_become_what_their_place_takes(query, replaced):
    assert replace_variables(query) == replaced


def test_a_variable_hides_only_itself():
    assert faults('sum by ($by, vm) (hyperjobs_jobs{provider=~"${p:regex}",$l="x"})') == [("hyperjobs_jobs", "vm")]
    assert faults("rate($metric[$__rate_interval])") == []


@given(st.text(alphabet="${}[]:abx_\"'`\\ (),", max_size=60))
def test_no_text_breaks_the_reader(text):
    Reader().read(text)


def test_a_dashboard_of_hypersdk_is_told_what_nothing_exports(tmp_path):
    file = dashboard(
        tmp_path / "hypersdk.json",
        panel("Throughput", "sum(rate(hypersdk_job_completions_total[5m])) by (status)"),
        panel("Queue", "hypersdk_job_queue_length", "hypersdk_queue_length"),
        panel("Progress", "hypersdk_job_progress"),
        panel("Real", "hypersdk_jobs_total", "rate(hypersdk_job_duration_seconds_bucket[5m])", "hypersdk_avg_export_mbps"),
        panel("Node", "node_load1"),
    )  # fmt: skip

    report = check([file])

    assert [(each.place, each.metric) for each in report.faults] == [
        ("Throughput", "hypersdk_job_completions_total"),
        ("Queue", "hypersdk_job_queue_length"),
        ("Queue", "hypersdk_queue_length"),
        ("Progress", "hypersdk_job_progress"),
    ]
    assert "compat-hypersdk.rules.yml records it" in report.faults[0].message
    assert report.faults[3].message == "hypersdk_job_progress is exported by nothing"
    assert report.others == (
        "hypersdk_avg_export_mbps",
        "hypersdk_job_duration_seconds_bucket",
        "hypersdk_jobs_total",
        "node_load1",
    )


def test_what_rules_among_the_files_record_is_there(tmp_path):
    file = dashboard(
        tmp_path / "d.json",
        panel("A", *(recording.record for recording in compat())),
        panel("B", "provider:hyperjobs_failure_ratio:6h"),
    )

    assert len(check([file]).faults) == len(compat()) + 1
    assert check([file, *SHIPPED]).faults == ()


def test_every_place_of_a_dashboard_that_holds_a_query_is_read(tmp_path):
    file = dashboard(
        tmp_path / "d.json",
        {"type": "row", "title": "Row", "panels": [panel("Collapsed", "hyperjobs_a")]},
        {"id": 7, "targets": [{"expr": "hyperjobs_b"}]},
        panel("Empty", ""),
        {"title": "Text"},
        rows=[{"panels": [panel("Old row", "hyperjobs_c")]}],
        templating={
            "list": [
                {"name": "p", "type": "query", "query": "label_values(hyperjobs_jobs, provider)"},
                {"name": "v", "type": "query", "query": {"query": 'label_values(hyperjobs_jobs{job="x"}, vm)'}},
                {"name": "q", "type": "query", "query": "query_result(hyperjobs_d)"},
                {"name": "l", "type": "query", "query": "label_values(provider)"},
                {"name": "c", "type": "custom", "query": "hyperjobs_e"},
            ]
        },
        annotations={"list": [{"name": "runs", "expr": "changes(hyperjobs_f[5m]) > 0"}, {"name": "built in"}]},
    )  # fmt: skip

    assert found(file) == [
        ("Collapsed", "hyperjobs_a", ""),
        ("panel 7", "hyperjobs_b", ""),
        ("Old row", "hyperjobs_c", ""),
        ("variable v", "", "vm"),
        ("variable q", "hyperjobs_d", ""),
        ("annotation runs", "hyperjobs_f", ""),
    ]


def test_a_legend_may_show_only_labels_that_the_result_has(tmp_path):
    targets = [
        {"expr": "sum by (provider) (hyperjobs_jobs)", "legendFormat": "{{provider}} {{ status }}"},
        {"expr": "hyperjobs_jobs", "legendFormat": "{{__name__}} {{status}} {{instance}}"},
        {"expr": "node_load1", "legendFormat": "{{anything}}"},
    ]
    file = dashboard(tmp_path / "d.json", {"title": "A", "targets": targets})

    assert found(file) == [("A", "", "status")]


def test_queries_to_something_else_than_prometheus_are_left_alone(tmp_path):
    loki = {"type": "loki", "uid": "x"}
    file = dashboard(
        tmp_path / "d.json",
        panel("Logs", '{app="hyperjobs"} |= "x"', datasource=loki),
        {"title": "Mixed", "targets": [{"expr": "hyperjobs_a", "datasource": {"type": "prometheus"}}],
         "datasource": {"type": "datasource", "uid": "-- Mixed --"}},
        panel("By variable", "hyperjobs_b", datasource={"uid": "${datasource}"}),
        panel("Old", "hyperjobs_c", datasource="Prometheus"),
    )  # fmt: skip

    assert [metric for _, metric, _ in found(file)] == ["hyperjobs_a", "hyperjobs_b", "hyperjobs_c"]


def test_rules_are_named_by_alert_and_severity_and_their_annotations_read(tmp_path):
    file = tmp_path / "rules.yml"
    rule = {"alert": "A", "expr": "hyperjobs_jobs{vm='x'} > 0", "labels": {"severity": "warning"}}
    texts = {"summary": '{{ $labels.user }} {{ index $labels "status" }}'}
    record = {"record": "hyperjobs:own", "expr": "hyperjobs_jobs"}
    use = {"alert": "B", "expr": "hyperjobs:own > 0"}
    file.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [{**rule, "annotations": texts}, record, use]}]}))

    assert found(file) == [("A (warning)", "hyperjobs_jobs", "vm"), ("A (warning)", "", "user")]


def test_the_forms_of_kubernetes_and_grafanas_api_are_read(tmp_path):
    groups = [{"name": "g", "rules": [{"alert": "A", "expr": "hyperjobs_a"}]}]
    manifest = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "spec": {"groups": groups}}
    several = tmp_path / "several.yaml"
    several.write_text(yaml.safe_dump_all([{"kind": "Namespace"}, manifest, None]))
    items = tmp_path / "list.yaml"
    items.write_text(yaml.safe_dump({"kind": "List", "items": [manifest, manifest]}))
    api = tmp_path / "api.json"
    api.write_text("\ufeff" + json.dumps({"meta": {}, "dashboard": {"panels": [panel("P", "hyperjobs_b")]}}))

    assert found(several) == [("A", "hyperjobs_a", "")]
    assert found(items) == [("A", "hyperjobs_a", "")]
    assert found(api) == [("P", "hyperjobs_b", "")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no Grafana dashboard, no rule file and no PrometheusRule"),
        (b"{}", "is no Grafana dashboard"),
        (b"[1, 2]", "is no Grafana dashboard"),
        (b"just words", "is no Grafana dashboard"),
        (b'{"panels": ', "is neither JSON nor YAML"),
        (b"groups: [", "is neither JSON nor YAML"),
        (b"\xff\xfe\x00", "is neither JSON nor YAML"),
        (b"!!python/object/apply:os.system ['true']", "is neither JSON nor YAML"),
        (b'{"a":' * 100_000, "is neither JSON nor YAML"),
    ],
    ids=["empty", "nothing", "list", "words", "json", "yaml", "binary", "tag", "deep"],
)
def test_a_file_that_cannot_be_read_is_said_in_one_line(tmp_path, data, message):
    file = tmp_path / "file"
    file.write_bytes(data)

    with pytest.raises(ConfigError, match=message) as refused:
        read_queries(file)

    assert str(refused.value).startswith(f"{file}: ")
    assert "\n" not in str(refused.value)


def test_a_file_larger_than_any_dashboard_is_not_read(tmp_path):
    file = tmp_path / "file"
    with file.open("wb") as written:
        written.truncate(16 * 2**20 + 1)

    with pytest.raises(ConfigError, match="is larger than 16 MiB"):
        read_queries(file)


@pytest.mark.parametrize(
    "document",
    [
        {"groups": [None, {"rules": None}, {"rules": [7, {"expr": None, "labels": None, "annotations": None}]}]},
        {"panels": [None, {"targets": None}, {"targets": [{"expr": 7}, {"expr": None}], "title": None}]},
        {"panels": [], "templating": None, "annotations": {"list": None}},
        {"kind": "PrometheusRule", "spec": {"groups": []}},
        {
            "panels": [],
            "templating": {"list": [{"type": "query", "query": None}, {"type": "query", "query": {"x": 1}}]},
        },
    ],
)
def test_odd_parts_of_a_file_are_passed_over(tmp_path, document):
    file = tmp_path / "file.json"
    file.write_text(json.dumps(document))

    assert {query.text for query in read_queries(file)} <= {"None"}


def test_the_program_says_it_by_exit_code_and_lines(tmp_path):
    bad = dashboard(tmp_path / "bad.json", panel("A", "hyperjobs_a", "hyperjobs_jobs{vm='x'}", "node_load1"))
    good = dashboard(tmp_path / "good.json", panel("A", "hyperjobs_jobs", "node_load1"))

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "hyperjobs", "check-metrics", *words], capture_output=True, text=True, check=False,
            timeout=60,
        )  # fmt: skip

    found_bad, found_good, unreadable = run(bad), run(good), run(good, tmp_path / "none", tmp_path)

    assert (found_bad.returncode, found_good.returncode, unreadable.returncode) == (1, 0, 2)
    assert found_bad.stdout.splitlines() == [
        f"{bad}\tA\thyperjobs_a\t\thyperjobs_a is not exported",
        f"{bad}\tA\thyperjobs_jobs\tvm\thyperjobs_jobs has no label vm",
    ]
    assert found_bad.stderr == "3 queries in 1 file: 2 not there; 1 metric is not ours\n"
    assert found_good.stdout == ""
    assert len(unreadable.stderr.splitlines()) == 2
    assert run("--all", good).stdout == f"{good}\tA\tnode_load1\t\tnode_load1 is not ours\n"
    first = json.loads(run("--json", bad).stdout.splitlines()[1])
    assert first == {
        "file": str(bad),
        "place": "A",
        "metric": "hyperjobs_jobs",
        "label": "vm",
        "message": "hyperjobs_jobs has no label vm",
        "fault": True,
    }


def test_without_the_parser_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "promql_parser", None)
    file = dashboard(tmp_path / "d.json", panel("A", "up"))

    result = CliRunner().invoke(program, ["check-metrics", str(file)])

    assert str(result.exception) == "queries need a parser of PromQL: pip install 'hyperjobs[check]'"
    assert result.exception.exit_code == 2
