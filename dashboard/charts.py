"""Charts: a frame in, a plotly Figure out. No Streamlit, no reading, no arithmetic beyond what a bar needs.

Text colours are left to the page's theme, so that every chart works in light and dark; marks use theme colours.
"""

import html

import pandas as pd
import plotly.graph_objects as go

from dashboard import theme

_ROW = 34
_NO_ZOOM = {"fixedrange": True}


def _figure(*traces: go.Bar | go.Scatter | go.Heatmap, height: int, **layout: object) -> go.Figure:
    figure = go.Figure(list(traces))
    figure.update_layout(template=theme.TEMPLATE, height=height, showlegend=False, **layout)
    figure.update_xaxes(**_NO_ZOOM)
    figure.update_yaxes(**_NO_ZOOM)
    return figure


def literal(text: object) -> str:
    """Return text from outside so that plotly, which reads tags in labels, shows exactly these characters."""
    return html.escape(str(text), quote=False)


def _room_for_numbers(n: pd.Series) -> list[float]:
    """An axis that leaves room for the number beside the longest bar."""
    return [0, 1.2 * max(float(n.max()), 1.0)]


def _tick_ms(daily: pd.DataFrame) -> int | None:
    """A tick for every day while they are few: plotly would mark the hours between."""
    return 86_400_000 if len(daily) <= 10 else None


def funnel(stages: pd.DataFrame) -> go.Figure:
    """Plot how many rows each stage holds. `stages`: columns `stage` (in words), `n` (int), in order."""
    bars = go.Bar(
        x=stages["n"],
        y=stages["stage"],
        orientation="h",
        marker_color=theme.BLUE,
        text=[f"{n:,}" for n in stages["n"]],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:,}<extra></extra>",
    )
    figure = _figure(bars, height=_ROW * max(len(stages), 2) + 24, bargap=0.25)
    figure.update_xaxes(visible=False, range=_room_for_numbers(stages["n"]))
    figure.update_yaxes(autorange="reversed", title=None)
    return figure


def votes_per_day(daily: pd.DataFrame) -> go.Figure:
    """Plot the votes of each day. `daily`: columns `day` (date), `votes` (int)."""
    bars = go.Bar(
        x=daily["day"], y=daily["votes"], marker_color=theme.BLUE, hovertemplate="%{x|%d %b %Y}: %{y:,} votes<extra></extra>"
    )
    figure = _figure(bars, height=260)
    figure.update_yaxes(title="votes", rangemode="tozero", tickformat=",d")
    figure.update_xaxes(title="day (UTC)", tickformat="%d %b", dtick=_tick_ms(daily))
    return figure


def votes_in_total(daily: pd.DataFrame, *, goal: int) -> go.Figure:
    """Plot cumulative votes against the goal. `daily`: columns `day` (date), `total` (int)."""
    line = go.Scatter(
        x=daily["day"],
        y=daily["total"],
        mode="lines+markers",
        line={"color": theme.BLUE, "width": 3},
        hovertemplate="%{x|%d %b %Y}: %{y:,} votes<extra></extra>",
    )
    figure = _figure(line, height=260)
    figure.add_hline(
        y=goal, line={"color": theme.VERMILION, "dash": "dash"}, annotation_text=f"goal {goal:,}", annotation_position="top left"
    )
    figure.update_yaxes(
        title="votes so far", range=[0, 1.12 * max(goal, int(daily["total"].max()) if len(daily) else 0, 1)], tickformat=",d"
    )
    figure.update_xaxes(title="day (UTC)", tickformat="%d %b", dtick=_tick_ms(daily))
    return figure


def coefficients(table: pd.DataFrame) -> go.Figure:
    """Plot coefficients with their intervals: thick for other pairs, thin for other pairs and people.

    `table`: columns `label` (in words), `value, low, high, wide_low, wide_high` in [-1, 1]; the last two may be NaN.
    """
    wide, narrow = _span(table, "wide_low", "wide_high"), _span(table, "low", "high")
    common = {"x": table["value"], "y": table["label"], "mode": "markers"}
    thin = go.Scatter(
        **common,
        marker={"size": 1, "color": theme.SKY},
        error_x=wide | {"color": theme.SKY, "thickness": 2, "width": 5},
        hoverinfo="skip",
    )
    thick = go.Scatter(
        **common,
        marker={"size": 11, "color": theme.BLUE},
        error_x=narrow | {"color": theme.BLUE, "thickness": 5, "width": 0},
        customdata=table[["low", "high"]],
        hovertemplate="%{y}: %{x:.2f} (%{customdata[0]:.2f} to %{customdata[1]:.2f})<extra></extra>",
    )
    figure = _figure(thin, thick, height=_ROW * max(len(table), 2) + 60)
    lowest = min([0.0, *table["low"].dropna(), *table["wide_low"].dropna()])
    figure.update_xaxes(title="1 is always the same", range=[lowest - 0.03, 1.03], zeroline=True)
    figure.update_yaxes(autorange="reversed", title=None)
    return figure


def _span(table: pd.DataFrame, low: str, high: str) -> dict[str, object]:
    above, below = (table[high] - table["value"]).fillna(0), (table["value"] - table[low]).fillna(0)
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below}


def agreement_heatmap(matrix: pd.DataFrame) -> go.Figure:
    """Plot agreement between annotators. `matrix`: annotator x annotator, shares in [0, 1], NaN where unknown."""
    size = len(matrix)
    cells = go.Heatmap(
        z=matrix.to_numpy(),
        x=[literal(name) for name in matrix.columns],
        y=[literal(name) for name in matrix.index],
        zmin=0,
        zmax=1,
        colorscale=theme.SEQUENTIAL,
        xgap=2,
        ygap=2,
        hoverongaps=False,
        texttemplate="%{z:.0%}" if size <= 12 else None,
        colorbar={"tickformat": ".0%", "title": "same choice"},
        hovertemplate="%{y} and %{x}: %{z:.0%}<extra></extra>",
    )
    figure = _figure(cells, height=min(900, 28 * size + 150))
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    figure.update_xaxes(type="category", tickangle=-45, showgrid=False)
    return figure


def reasons(table: pd.DataFrame) -> go.Figure:
    """Plot where the pairs went. `table`: columns `label` (in words), `pairs` (int), `kept` (bool)."""
    bars = go.Bar(
        x=table["pairs"],
        y=table["label"],
        orientation="h",
        marker_color=[theme.GREEN if kept else theme.ORANGE for kept in table["kept"]],
        text=[f"{n:,}" for n in table["pairs"]],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:,} pairs<extra></extra>",
    )
    figure = _figure(bars, height=_ROW * max(len(table), 2) + 24, bargap=0.25)
    figure.update_xaxes(visible=False, range=_room_for_numbers(table["pairs"]))
    figure.update_yaxes(autorange="reversed", title=None)
    return figure


def selection(table: pd.DataFrame) -> go.Figure:
    """Plot where the rows of a language go. `table`: columns `label` (in words), `rows` (int), `kept` (bool)."""
    return reasons(table.rename(columns={"rows": "pairs"})).update_traces(hovertemplate="%{y}: %{x:,} rows<extra></extra>")


def language_rows(figures: pd.DataFrame) -> go.Figure:
    """Plot how many rows each language has, coloured by resource level, labelled with script.

    `figures`: columns `language`, `script`, `rows` (int), `resource` (`high`, `mid`, `low` or empty), in order.
    """
    colours = {"high": theme.BLUE, "mid": theme.GREEN, "low": theme.ORANGE, "": theme.OLIVE}
    words = {"high": "many resources elsewhere", "mid": "some", "low": "few", "": "not known"}
    traces = [
        go.Bar(
            x=part["rows"],
            y=[literal(name) for name in part["language"]],
            orientation="h",
            name=words[resource],
            marker_color=colours[resource],
            text=[f"{rows:,}" for rows in part["rows"]],
            textposition="outside",
            cliponaxis=False,
            customdata=[literal(script) or "script not known" for script in part["script"]],
            hovertemplate="%{y} (%{customdata}): %{x:,} rows<extra></extra>",
        )
        for resource, part in ((name, figures[figures["resource"] == name]) for name in colours)
        if len(part)
    ]
    figure = _figure(*traces, height=22 * max(len(figures), 3) + 70, bargap=0.2)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0})
    # Room at the right for the longest bar's number.
    figure.update_xaxes(title="rows", range=[0, 1.25 * max(1, *figures["rows"])], tickformat=",d")
    figure.update_yaxes(
        title=None, categoryorder="array", categoryarray=[literal(name) for name in figures["language"]], autorange="reversed"
    )
    return figure


def reliability(table: pd.DataFrame) -> go.Figure:
    """Plot how often outcomes of a confidence were right. `table`: as `calibration.reliability`, shares in [0, 1]."""
    ideal = go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": theme.OLIVE, "dash": "dash"}, hoverinfo="skip")
    seen = go.Scatter(
        x=table["confidence"],
        y=table["right"],
        mode="markers",
        marker={"size": 11, "color": theme.BLUE},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": table["high"] - table["right"],
            "arrayminus": table["right"] - table["low"],
            "color": theme.BLUE,
        },
        customdata=table["n"],
        hovertemplate="said %{x:.0%}, was %{y:.0%} of %{customdata:,} pairs<extra></extra>",
    )
    figure = _figure(ideal, seen, height=320)
    figure.update_xaxes(title="confidence", range=[-0.02, 1.02], tickformat=".0%")
    figure.update_yaxes(title="share that was right", range=[-0.02, 1.02], tickformat=".0%")
    return figure


def segments(table: pd.DataFrame) -> go.Figure:
    """Plot raw agreement of each segment with its interval. `table`: columns `segment, percent, low, high, pairs`."""
    points = go.Scatter(
        x=table["percent"],
        y=[literal(name) for name in table["segment"]],
        mode="markers",
        marker={"size": 11, "color": theme.BLUE},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": (table["high"] - table["percent"]).fillna(0),
            "arrayminus": (table["percent"] - table["low"]).fillna(0),
            "color": theme.BLUE,
        },
        customdata=table["pairs"],
        hovertemplate="%{y}: %{x:.0%} of %{customdata:,} pairs<extra></extra>",
    )
    figure = _figure(points, height=_ROW * max(len(table), 2) + 60)
    figure.update_xaxes(title="same choice", range=[-0.02, 1.02], tickformat=".0%")
    figure.update_yaxes(autorange="reversed", title=None, type="category")
    return figure
