"""A headless Chromium that tests drive; None where it is not installed."""

import shutil
from contextlib import contextmanager

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
)  # fmt: skip


def missing():
    """Return what lacks to drive a browser, None if nothing does."""
    lacking = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return ", ".join(lacking) or None


@contextmanager
def open_browser(profile, *, width=1000, height=760, dark=False, language="en"):
    """Yield a driver with an empty profile."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (
        *_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}",
        f"--lang={language}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    if dark:
        options.add_argument("--force-dark-mode")
        options.add_argument("--blink-settings=preferredColorScheme=0")
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()
