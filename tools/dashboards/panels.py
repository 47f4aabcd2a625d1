"""The kinds of panels: each looks the same wherever it stands, and none goes without a unit or a description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmaps
from grafana_foundation_sdk.models import text as texts
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Panel: TypeAlias = (
    timeseries.Panel | stat.Panel | bargauge.Panel | statetimeline.Panel | table.Panel | heatmap.Panel | text.Panel
)
Query: TypeAlias = tuple[str, str]
"""An expression, and the legend of its series."""
Steps: TypeAlias = "Sequence[tuple[float | None, str]]"
"""From which value on which colour; the first begins at ``None``."""
Words: TypeAlias = "Mapping[str, tuple[str, str]]"
"""A value, as text, and the word and colour that are shown for it."""

DATASOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
HOUR: Final = "1h"
GOOD, BAD, WARN, CALM = "green", "red", "orange", "blue"
STATUS_COLOURS: Final = {
    "completed": GOOD,
    "failed": BAD,
    "cancelled": "#8e8e8e",
    "running": CALM,
    "pending": "yellow",
    "other": "purple",
}
PLAIN: Final[Steps] = ((None, CALM),)


def row(title: str, *, collapsed: bool = False, panels: Sequence[Panel] = ()) -> dashboard.Row:
    """A heading over the panels that follow, or a folded one that holds its own."""
    built = dashboard.Row(title).collapsed(collapsed)
    for panel in panels:
        built = built.with_panel(panel)
    return built


def single(  # noqa: PLR0913 - what a reader sees of it, each by name
    title: str,
    description: str,
    expression: str,
    *,
    unit: str,
    steps: Steps = PLAIN,
    words: Words | None = None,
    trend: bool = False,
    decimals: float | None = None,
    width: int = 3,
    height: int = 4,
    legend: str = "",
    unknown: str = "no data",
) -> stat.Panel:
    """One value, large, coloured by what it means."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .height(height)
        .span(width)
        .no_value(unknown)
        .thresholds(_thresholds(steps))
        .mappings(_mappings(words))
        .color_mode(kinds.BigValueColorMode.BACKGROUND if words else kinds.BigValueColorMode.VALUE)
        .graph_mode(kinds.BigValueGraphMode.AREA if trend else kinds.BigValueGraphMode.NONE)
        .text_mode(kinds.BigValueTextMode.VALUE_AND_NAME if legend else kinds.BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))  # noqa: FBT003 - the library's
        .with_target(_query("A", expression, legend, instant=not trend))
    )
    return panel if decimals is None else panel.decimals(decimals)


def graph(  # noqa: PLR0913 - as above
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    bars: bool = False,
    stack: bool = False,
    step: str = "",
    width: int = 12,
    height: int = 8,
    least: float | None = 0,
    most: float | None = None,
    colours: Mapping[str, str] | None = None,
    steps: Steps | None = None,
    table_legend: bool = False,
) -> timeseries.Panel:
    """Values over time.

    Args:
        title: of the panel.
        description: what it says, and what to make of it.
        queries: expressions and legends.
        unit: Grafana's name of it.
        bars: for counts of a span of time, rather than for values at a moment.
        stack: parts of a whole on top of each other.
        step: the least span between two points, such as ``1h``.
        width: of 24 columns.
        height: in Grafana's rows.
        least: where the axis begins; ``None`` leaves it to the values.
        most: where it ends.
        colours: legend → colour.
        steps: lines at values that matter.
        table_legend: whether the legend is a table with last, mean and maximum.
    """
    legend = common.VizLegendOptions().show_legend(True).placement(kinds.LegendPlacement.BOTTOM)  # noqa: FBT003
    legend = (
        legend.display_mode(kinds.LegendDisplayMode.TABLE).calcs(["lastNotNull", "mean", "max"])
        if table_legend
        else legend.display_mode(kinds.LegendDisplayMode.LIST).calcs([])
    )
    mode = kinds.StackingMode.NORMAL if stack else kinds.StackingMode.NONE
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .height(height)
        .span(width)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
        .draw_style(kinds.GraphDrawStyle.BARS if bars else kinds.GraphDrawStyle.LINE)
        .fill_opacity(70 if bars else 25 if stack else 8)
        .line_width(0 if bars else 2)
        .show_points(kinds.VisibilityMode.NEVER)
        .span_nulls(False)  # noqa: FBT003 - the library's
        .stacking(common.StackingConfig().mode(mode).group("A"))
    )
    for number, (expression, name) in enumerate(queries):
        panel = panel.with_target(_query(chr(ord("A") + number), expression, name))
    if step:
        panel = panel.interval(step)
    if least is not None:
        panel = panel.min(least)
    if most is not None:
        panel = panel.max(most)
    if steps is not None:
        panel = panel.thresholds(_thresholds(steps)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.DASHED)
        )
    for name, colour in (colours or {}).items():
        panel = panel.override_by_name(name, [_fixed_colour(colour)])
    return panel


def bars(  # noqa: PLR0913 - as above
    title: str,
    description: str,
    expression: str,
    legend: str,
    *,
    unit: str,
    steps: Steps = PLAIN,
    most: float | None = None,
    width: int = 6,
    height: int = 8,
    colours: Mapping[str, str] | None = None,
) -> bargauge.Panel:
    """Values of now, side by side."""
    panel = (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .height(height)
        .span(width)
        .thresholds(_thresholds(steps))
        .display_mode(kinds.BarGaugeDisplayMode.BASIC)
        .value_mode(kinds.BarGaugeValueMode.TEXT)
        .orientation(kinds.VizOrientation.HORIZONTAL)
        .show_unfilled(True)  # noqa: FBT003 - the library's
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))  # noqa: FBT003
        .with_target(_query("A", expression, legend, instant=True))
    )
    if most is not None:
        panel = panel.max(most)
    for name, colour in (colours or {}).items():
        panel = panel.override_by_name(name, [_fixed_colour(colour)])
    return panel


def states(  # noqa: PLR0913 - as above
    title: str,
    description: str,
    *queries: Query,
    words: Words,
    step: str = "",
    width: int = 24,
    height: int = 8,
) -> statetimeline.Panel:
    """Which state things were in, over time."""
    panel = (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit("none")
        .height(height)
        .span(width)
        .mappings(_mappings(words))
        .thresholds(_thresholds(((None, CALM),)))
        .merge_values(True)  # noqa: FBT003 - the library's
        .show_value(kinds.VisibilityMode.NEVER)
        .row_height(0.8)
        .fill_opacity(80)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)  # noqa: FBT003
            .display_mode(kinds.LegendDisplayMode.LIST)
            .placement(kinds.LegendPlacement.BOTTOM)
            .calcs([])
        )
    )
    if step:
        panel = panel.interval(step)
    for number, (expression, name) in enumerate(queries):
        panel = panel.with_target(_query(chr(ord("A") + number), expression, name))
    return panel


def heat(  # noqa: PLR0913 - as above
    title: str, description: str, expression: str, *, unit: str, step: str, width: int = 12
) -> heatmap.Panel:
    """A histogram over time."""
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .height(8)
        .span(width)
        .interval(step)
        .calculate(False)  # noqa: FBT003 - the library's
        .cell_gap(1)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmaps.HeatmapColorMode.SCHEME)
            .scheme("Blues")
            .steps(64)
            .reverse(False)  # noqa: FBT003
            .fill("dark-blue")
            .scale(heatmaps.HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
        )
        .y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(kinds.AxisPlacement.LEFT))
        .with_target(_query("A", expression, "{{le}}").format(PromQueryFormat.HEATMAP))
    )


def listing(  # noqa: PLR0913 - as above
    title: str,
    description: str,
    columns: Mapping[str, tuple[str, str]],
    *,
    by: str,
    units: Mapping[str, str],
    width: int = 12,
    height: int = 8,
    words: Mapping[str, Words] | None = None,
) -> table.Panel:
    """Values of now in a table, a line for each value of a label.

    Args:
        title: of the panel.
        description: what it says.
        columns: reference of the query → (heading, expression); each expression keeps the label ``by``.
        by: the label.
        units: heading → Grafana's name of its unit.
        width: of 24 columns.
        height: in Grafana's rows.
        words: heading → what is shown for its values.
    """
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit("short")
        .height(height)
        .span(width)
        .show_header(True)  # noqa: FBT003 - the library's
        .thresholds(_thresholds(PLAIN))
    )
    names = {}
    for reference, (heading, expression) in columns.items():
        panel = panel.with_target(_query(reference, expression, heading, instant=True).format(PromQueryFormat.TABLE))
        names[f"Value #{reference}" if len(columns) > 1 else "Value"] = heading
    joined = [models.DataTransformerConfig(id_val="joinByField", options={"byField": by, "mode": "outer"})]
    hidden = [f"Time {number}" for number in range(1, len(columns) + 1)]
    panel = panel.transformations(
        [
            *(joined if len(columns) > 1 else []),
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": dict.fromkeys(["Time", *hidden], True),
                    "renameByName": {**names, by: by.capitalize()},
                },
            ),
        ]
    )
    for heading, unit in units.items():
        panel = panel.override_by_name(heading, [models.DynamicConfigValue(id_val="unit", value=unit)])
    for heading, shown in (words or {}).items():
        panel = panel.override_by_name(
            heading,
            [
                models.DynamicConfigValue(id_val="mappings", value=_mappings(shown)),
                models.DynamicConfigValue(
                    id_val="custom.cellOptions", value={"type": "color-background", "mode": "basic"}
                ),
            ],
        )
    return panel


def note(title: str, description: str, content: str, *, width: int = 24, height: int = 3) -> text.Panel:
    """Words for what a time series cannot say."""
    return (
        text.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .height(height)
        .span(width)
        .mode(texts.TextMode.MARKDOWN)
        .content(content)
    )


def _query(reference: str, expression: str, legend: str, *, instant: bool = False) -> prometheus.Dataquery:
    query = prometheus.Dataquery().ref_id(reference).datasource(DATASOURCE).expr(expression).legend_format(legend)
    return query.instant() if instant else query.range()


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=colour) for value, colour in steps])
    )


def _mappings(words: Words | None) -> list[models.ValueMapping]:
    if not words:
        return []
    shown = {
        value: models.ValueMappingResult(text=word, color=colour, index=number)
        for number, (value, (word, colour)) in enumerate(words.items())
    }
    return [models.ValueMap(options=shown)]


def _fixed_colour(colour: str) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})
