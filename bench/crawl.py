"""Pages a CPU-second of the crawler, beside Scrapy on the same local site.

Both fetch the same pages over loopback from a server in a process of its own, read robots.txt, take
all links and drop known ones, with 8 requests at a time and no delay. Ours also keeps every answer
as WARC records in a log that survives a kill, and writes the artifact's files; Scrapy keeps none:
once with its queue in memory and once on disk (JOBDIR), as a crawl that can be resumed needs it.
CPU time is that of the crawling process, its start included; runs take turns; medians are shown.

    python -m venv PEER && PEER/bin/pip install scrapy
    .venv/bin/python bench/crawl.py --peer PEER/bin/python
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

OURS = """
import sys
from pathlib import Path
from lodesmith.acquire.crawl.source import crawl
from lodesmith.acquire.crawl.source_crawl import CrawlSource
source = CrawlSource.model_validate({
    "crawl": sys.argv[1], "contact": "bench@example.org", "allow_private": True, "name": "site",
    "pace": {"delay_seconds": 0, "connections_per_host": 8},
    "limits": {"max_depth": 1000, "max_pages": 10**6, "max_pages_per_host": 10**6,
               "max_alike": 10**6},
})
folder = Path(sys.argv[2])
print(crawl(source, folder, scratch=folder / "scratch").num_pages)
"""

SCRAPY = """
import sys
import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.linkextractors import LinkExtractor

class Spider(scrapy.Spider):
    name = "site"
    start_urls = [sys.argv[1]]
    seen = 0
    links = LinkExtractor()
    def parse(self, response):
        Spider.seen += 1
        for link in self.links.extract_links(response):
            yield scrapy.Request(link.url, callback=self.parse)

settings = {"LOG_ENABLED": False, "ROBOTSTXT_OBEY": True, "CONCURRENT_REQUESTS": 8,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 8, "DOWNLOAD_DELAY": 0,
            "TELNETCONSOLE_ENABLED": False}
if len(sys.argv) > 3:
    settings["JOBDIR"] = sys.argv[2]
process = CrawlerProcess(settings)
process.crawl(Spider)
process.start()
print(Spider.seen)
"""

SERVER = """
import sys
sys.path.insert(0, sys.argv[1])
from web_site import SENTENCE, WebSite, answer, html
count, paragraphs = int(sys.argv[2]), int(sys.argv[3])
with WebSite() as site:
    for number in range(count):
        near = [(number * 7 + step * step) % count for step in range(25)]
        near += [(2 * number + 1) % count, (2 * number + 2) % count]
        links = "".join(f"<li><a class=item href='/a/{n}?id={n}'>{n}</a></li>" for n in near)
        text = "".join(f"<p>{number}.{n} {SENTENCE * 3}</p>" for n in range(paragraphs))
        site.pages[f"/a/{number}?id={number}"] = answer(html(f"<ul>{links}</ul>{text}"))
    print(site.origin, flush=True)
    sys.stdin.read()
"""


def cpu_seconds_of(command: list[str]) -> tuple[float, int]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, int(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="a Python that has scrapy")
    parser.add_argument("--pages", type=int, default=1500)
    parser.add_argument("--paragraphs", type=int, default=25, help="of about 300 bytes, in a page")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    support = str(Path(__file__).parents[1] / "tests" / "support")
    arguments = [support, str(options.pages), str(options.paragraphs)]
    with tempfile.TemporaryDirectory() as scratch, subprocess.Popen(
        [sys.executable, "-c", SERVER, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        start = server.stdout.readline().strip() + "/a/0?id=0"
        runs = {"lodesmith": [sys.executable, "-c", OURS, start]}
        if options.peer:
            script = Path(scratch) / "peer.py"  # scrapy looks at its spider's source
            script.write_text(SCRAPY)
            runs["scrapy, queue in memory"] = [options.peer, str(script), start]
            runs["scrapy, queue on disk"] = [options.peer, str(script), start]
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(options.rounds):
            for name, command in runs.items():
                rates[name].append(measure(name, command))
        report({name: statistics.median(values) for name, values in rates.items()})
        server.terminate()


def measure(name: str, command: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        keep = ["keep"] if name.endswith("disk") else []
        seconds, pages = cpu_seconds_of([*command, folder, *keep])
    print(f"  {name}: {pages} pages in {seconds:.2f} CPU-s", file=sys.stderr)
    return pages / seconds


def report(rates: dict[str, float]) -> None:
    ours = rates["lodesmith"]
    print(f"{'crawler':<26}{'pages/CPU-s':>12}{'lodesmith is':>14}")
    for name, rate in rates.items():
        print(f"{name:<26}{rate:>12.0f}{ours / rate:>13.2f}x")


if __name__ == "__main__":
    main()
