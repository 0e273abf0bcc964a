"""The page of a plan is whole, self-contained, and says what the terminal says."""

import re
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

import lodesmith.cli.main  # noqa: F401 adds the commands
from lodesmith.cli.app import app
from lodesmith.pipeline.planning import plan
from lodesmith.plan.report.charts import Dot, draw_bar, draw_scatter, pick_ticks
from lodesmith.plan.report.page import plan_page

_VOID = {"meta", "rect", "line", "circle"}


class _Balance(HTMLParser):
    """Fails on a tag that is closed wrongly."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in _VOID or tag == "circle":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", ["quickstart", "mt-nlg-530b"])
def test_a_page_is_balanced_and_fetches_nothing(name: str):
    page = plan_page(plan(name))
    balance = _Balance()
    balance.feed(page)
    assert balance.open == []
    assert not re.search(r"(src|href)=|url\(|<script|https?://", page)


def test_a_page_names_what_the_terminal_names():
    result = plan("7b")
    page = plan_page(result)
    assert f"{result.run.mfu:.1%}" in page
    assert page.count("<circle") == len(result.cloud) + 1
    assert "Besiroglu 2024" in page


def test_words_from_outside_are_escaped(tmp_path):
    cluster = tmp_path / "c.yaml"
    cluster.write_text(
        "name: <b>R & D</b>\ndevice: h100\ndevices_per_node: 8\nnum_nodes: 1\n"
        "network_gb_per_second: 5\nstorage_gb_per_second: 1\nhost_watts_per_device: 10\n"
        "price_per_device_hour: 1\n"
    )
    page = plan_page(plan("7b", cluster=str(cluster)))
    assert "<b>R" not in page
    assert "&lt;b&gt;R &amp; D" in page


def test_a_bar_never_leaves_its_frame():
    assert 'width="100.00"' in draw_bar(1.7)
    assert 'width="0.00"' in draw_bar(-1.0)


def test_all_dots_lie_inside_the_chart():
    dots = [Dot(x=x, y=y, style="dot", label="a") for x, y in ((1, 5), (79, 0.1), (40, 40))]
    chart = draw_scatter(dots, limit=80, names=("x", "y"), title="t")
    places = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', chart)
    assert len(places) == 3
    assert all(0 < float(x) < 640 and 0 < float(y) < 340 for x, y in places)


@pytest.mark.parametrize(("low", "high"), [(0.9, 1.1), (1, 1e6), (3, 400), (0.01, 0.02)])
def test_ticks_lie_inside_and_are_neither_none_nor_many(low: float, high: float):
    ticks = pick_ticks(low, high)
    assert 2 <= len(ticks) <= 12
    assert all(low <= tick <= high for tick in ticks)


def test_the_command_writes_the_page_beside_its_report(tmp_path):
    path = tmp_path / "plan.html"
    shown = CliRunner().invoke(app, ["plan", "quickstart", "--html", str(path)])
    assert shown.output.startswith("quickstart: ")
    assert path.read_text("utf-8").startswith("<!doctype html>")
