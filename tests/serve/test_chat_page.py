"""The chat page, as a person uses it in a browser."""

import os
from pathlib import Path

import browser
import pytest

from lodesmith.serve.web.chat_page import build_page

KEEP = os.environ.get("LODESMITH_SCREENSHOTS")  # a folder for whoever wants to look at the page


@pytest.fixture
def open_page(tmp_path):
    if lacking := browser.missing():
        pytest.skip(f"needs Debian's chromium and chromium-driver; not here: {lacking}")
    opened = []

    def open_at(url, **options):
        manager = browser.open_browser(tmp_path / f"profile-{len(opened)}", **options)
        driver = manager.__enter__()
        opened.append(manager)
        driver.get(url)
        return Page(driver)

    yield open_at
    for manager in opened:
        manager.__exit__(None, None, None)


class Page:
    def __init__(self, driver):
        self.driver = driver

    def at(self, name):
        return self.driver.find_element("id", name)

    def wait(self, condition, *, seconds=60):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, seconds).until(lambda _: condition())

    def turns(self, kind):
        return [each.text for each in self.driver.find_elements("css selector", f".turn.{kind}")]

    def ask(self, text):
        self.wait(lambda: self.at("model").text)
        self.at("question").send_keys(text + "\n")

    def wait_for_end(self):
        self.wait(lambda: self.at("send").is_displayed())

    def keep(self, name):
        if KEEP:
            self.driver.save_screenshot(str(Path(KEEP) / f"{name}.png"))

    def faults(self):
        return [entry for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


def test_the_page_brings_all_it_needs_and_may_load_nothing_else(server):
    response = server.get("/")
    page, headers = build_page()
    assert response.text == page
    assert "{{" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert response.headers["content-security-policy"] == headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]


@pytest.mark.slow
def test_a_person_asks_reads_stops_and_begins_anew(start_server, open_page):
    server = start_server(step_seconds=0.03)
    page = open_page(server.url)
    assert "Ask the model" in page.at("talk").text
    page.at("open-settings").click()
    page.at("seed").send_keys("7")
    page.at("max_tokens").send_keys("8")
    page.keep("settings")
    page.ask("hello <b>there</b>")
    page.wait_for_end()
    assert page.turns("user") == ["hello <b>there</b>"]
    assert len(page.turns("assistant")) == 1
    assert "limit" in page.at("talk").text
    page.at("max_tokens").clear()
    page.at("question").send_keys("go on\n")
    page.wait(lambda: page.at("stop").is_displayed())
    server.wait_for(lambda stats: stats.num_running == 1)
    page.at("stop").click()
    page.wait_for_end()
    server.wait_for(lambda stats: stats.num_running == 0)
    assert "stopped" in page.at("talk").text
    page.keep("talk")
    page.at("new").click()
    assert page.turns("user") == []
    assert page.faults() == []


@pytest.mark.slow
def test_the_page_speaks_chinese_and_keeps_to_the_dark(server, open_page):
    page = open_page(server.url, language="zh-CN", dark=True, width=500, height=800)
    page.wait(lambda: page.at("model").text)
    assert page.at("send").text == "发送"
    assert page.at("question").get_attribute("placeholder") == "问点什么"
    page.ask("你好")
    page.wait_for_end()
    page.keep("dark")
    ground = page.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(25, 24, 22)"
    page.at("language").click()
    assert page.at("send").text == "Send"


@pytest.mark.slow
def test_a_server_with_keys_asks_for_one_and_takes_it(start_server, keys, open_page):
    server = start_server(keys=keys.loaded)
    page = open_page(server.url)
    page.wait(lambda: "wants an API key" in page.at("talk").text)
    page.at("open-settings").click()
    page.at("key").send_keys("correct-horse-battery\t")
    page.wait(lambda: page.at("model").text == "tiny")
    page.ask("hi")
    page.wait_for_end()
    assert len(page.turns("assistant")) == 1


def test_the_page_of_routes_names_every_route_and_loads_nothing(server):
    response = server.get("/docs")
    for path in server.get("/openapi.json").json()["paths"]:
        assert path in response.text
    for field in ("response_format", "tool_choice", "top_logprobs", "encoding_format"):
        assert f"<code>{field}</code>" in response.text
    assert "<script" not in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]
