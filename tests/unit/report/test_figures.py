"""Key statistics of every era, as text and as numbers."""

from __future__ import annotations

import pytest
from selectolax.lexbor import LexborHTMLParser
from support.builders import REPORTS

from harvester.report import Figure, parse_figure
from harvester.report.figures import key_figures


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("12.3%", Figure(12.3, "%")),
        ("4%", Figure(4, "%")),
        ("-0.8", Figure(-0.8, "")),
        ("56M", Figure(56e6, "USD")),
        ("890K", Figure(890e3, "USD")),
        ("1.2B", Figure(1.2e9, "USD")),
        ("$1,234.5", Figure(1234.5, "USD")),
        ("10039", Figure(10039, "")),
        ("-", None),
        ("", None),
        ("Equity,Forex", None),
        ("✔", None),
        ("{{$KPI}}", None),
        ("," * 50, None),
    ],
)
def test_figures_become_numbers_with_their_unit(text: str, figure: Figure | None) -> None:
    assert parse_figure(text) == figure


def test_pairs_are_read_and_live_cells_left_out() -> None:
    html = """
    <table id="key-characteristics">
      <tr><td class="title">CAGR</td><td>1%</td><td class="kpi-live">x</td>
          <td class="title">Capacity (USD)</td><td>2M</td></tr>
      <tr><td>Sharpe:</td><td>0.5</td></tr>
    </table>
    <div id="parameters">
      <table id="key-characteristics"><tr><td>lookback</td><td>20</td></tr></table>
    </div>"""
    assert key_figures(LexborHTMLParser(html)) == {"CAGR": "1%", "Capacity (USD)": "2M", "Sharpe": "0.5"}


@pytest.mark.skipif(not REPORTS.is_dir(), reason="the real reports are not at hand")
@pytest.mark.parametrize(
    ("name", "label", "text"),
    [
        ("lean-quantconnect-1", "Sharpe Ratio", "1.783"),
        ("lean-generated-1", "Kelly Estimate", "0.8"),
        ("lean-generated-8", "Capacity (USD)", "310M"),
    ],
)
def test_real_reports_of_every_era_give_their_figures(name: str, label: str, text: str) -> None:
    found = key_figures(LexborHTMLParser((REPORTS / f"{name}.html").read_bytes().decode()))
    assert found[label] == text
