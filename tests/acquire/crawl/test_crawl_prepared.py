"""From the recipe to clean documents: crawled pages keep their address and their characters."""

import subprocess
import sys

import pytest
from web_site import WebSite, answer, html

from lodesmith.data.documents import Document, read_folder

SIMPLIFIED = [
    "黄河发源于青藏高原的巴颜喀拉山脉，自西向东流经九个省区，最后在山东省注入渤海。",
    "这条河全长约五千四百公里，是中国的第二长河，两岸很早就有人居住和耕种。",
    "由于流过黄土高原时带走了大量的泥沙，河水看起来是黄色的，因此得到了现在的名字。",
    "历史上黄河下游多次改道，给沿岸的人们带来了许多灾难，也留下了肥沃的平原。",
    "近几十年来，人们在上游和中游修建了水库，种植了树木，泥沙比从前少了很多。",
    "如今每年夏天都会进行调水调沙，把积在河床里的泥沙冲到海里去，效果十分明显。",
]
TRADITIONAL = [
    "臺灣的中央山脈縱貫南北，有兩百多座超過三千公尺的高山，其中最高的是玉山。",
    "每到冬天，高山上會下雪，許多人專程前往觀賞，登山之前必須先申請入山許可。",
    "島上的河川大多短而急，雨季時水量很大，乾季則常常只剩下石頭和細細的水流。",
    "西部平原是主要的農業地區，出產稻米、甘蔗和水果，城市也多半集中在這一帶。",
    "東部海岸風景優美，鐵路沿著太平洋前進，旅客可以從車窗看見藍色的大海。",
    "近年來單車旅行越來越受歡迎，環島一周大約需要九天，沿途都有休息的地方。",
]
PLAIN = [
    "长江三角洲的城市有很长的历史，运河把它们和北方连在一起，货物由此往来不断。",
    "苏州的园林在明清时期已经闻名，假山、池塘和长廊让小小的院子显得很深很远。",
    "杭州西湖边上种满了柳树和桃树，春天的时候游人最多，清晨却还是十分安静。",
    "上海原来只是一个县城，开埠以后人口迅速增长，很快就成为全国最大的港口。",
    "南京的城墙建于六百多年前，现在仍然保存着大部分，可以沿着它走上好几公里。",
    "这个地区的方言彼此差别不小，隔一条河的人有时也听不懂对方说的话。",
]


def page(sentences: list[str], *, head: str = "") -> str:
    text = "".join(f"<p>{sentence}</p>" for sentence in sentences)
    return html(f"<article>{text}</article>", head=head).decode()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    folder = tmp_path_factory.mktemp("prepared")
    with WebSite() as site:
        big5 = page(TRADITIONAL, head="<meta charset=big5>").encode("big5")
        site.pages |= {
            "/": answer(
                html("<a href=gb>1</a><a href=big5>2</a><a href='/utf8?utm_source=x'>3</a>")
            ),
            "/gb": answer(page(SIMPLIFIED).encode("gb18030"), content_type="text/html;charset=GBK"),
            "/big5": answer(big5, content_type="text/html; charset=utf-8"),  # as wrong servers say
            "/utf8": answer(page(PLAIN).encode()),  # says nothing
        }
        recipe = folder / "recipe.yaml"
        recipe.write_text(
            f"acquire:\n  sources:\n    - crawl: {site.origin}/\n      contact: me@example.org\n"
            "      allow_private: true\n      pace: {delay_seconds: 0}\n"
            "prepare:\n  languages: [zh]\n"
        )
        workspace = folder / "workspace"
        command = [sys.executable, "-m", "lodesmith", "prepare", str(recipe)]
        done = subprocess.run(
            [*command, "--workspace", str(workspace)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        documents = read_folder(next((workspace / "artifacts").glob("prepare-*")))
        return {document.url.removeprefix(site.origin): document for document in documents}


@pytest.mark.parametrize(
    ("path", "sentences"), [("/gb", SIMPLIFIED), ("/big5", TRADITIONAL), ("/utf8", PLAIN)]
)
def test_a_page_in_any_charset_becomes_a_document(
    prepared: dict[str, Document], path: str, sentences: list[str]
) -> None:
    document = prepared[path]
    assert document.text.split("\n") == sentences
    assert document.language.startswith("zh")
    assert document.source.rpartition("#")[0].endswith("/localhost.warc.gz")
