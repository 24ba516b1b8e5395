"""Theme: colours and the plotly template, legible in light and dark and for colour-blind readers.

Source of the colours: Okabe and Ito (2008), "Color Universal Design". No Streamlit here.
"""

import plotly.graph_objects as go
import plotly.io as pio

BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, OLIVE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#8C8C00",
)
CATEGORICAL = [BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, OLIVE]
SEQUENTIAL = "Cividis"
TEMPLATE = "studio"

pio.templates[TEMPLATE] = go.layout.Template(
    layout={
        "colorway": CATEGORICAL,
        "margin": {"l": 8, "r": 8, "t": 24, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {"automargin": True},
        "yaxis": {"automargin": True},
        "hoverlabel": {"align": "left"},
    }
)
