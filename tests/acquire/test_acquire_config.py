"""The recipe section: every fault is named, every source knows its name."""

import pytest

from lodesmith.acquire.config import AcquireConfig
from lodesmith.core.config import Config, validate
from lodesmith.core.errors import UserError
from lodesmith.core.yaml_text import parse_yaml


class Recipe(Config):
    acquire: AcquireConfig


def read_section(*lines: str) -> AcquireConfig:
    text = "\n".join(["acquire:", "  sources:", *(f"    {line}" for line in lines)])
    return validate(Recipe, parse_yaml(text, origin="r.yaml"), origin="r.yaml").acquire


def faults_of(*lines: str) -> str:
    with pytest.raises(UserError) as caught:
        read_section(*lines)
    return str(caught.value)


def test_each_kind_is_told_by_its_key_and_named_after_its_origin() -> None:
    section = read_section(
        "- debian: debian-reference-zh-cn=2.100",
        "- pypi: Chatterbot_Corpus==1.3.3",
        "- npm: '@scope/pages@1.2.3'",
        "- python: standard-library",
        "- files: data/my pages/**/*.html",
        "- warc: crawl/part-1.warc.gz",
        "- {debian: dpkg, name: other}",
    )
    assert [(source.kind, source.label) for source in section.sources] == [
        ("debian", "debian-reference-zh-cn"),
        ("pypi", "chatterbot_corpus"),
        ("npm", "scope-pages"),
        ("python", "python-standard-library"),
        ("files", "my-pages"),
        ("warc", "part-1"),
        ("debian", "other"),
    ]


def test_the_section_survives_being_written_into_a_receipt() -> None:
    section = read_section("- debian: dpkg", "- {pypi: pages, use: chat, paths: 'a/*.yml'}")
    assert AcquireConfig.model_validate(section.model_dump(mode="json")) == section
    assert AcquireConfig.model_json_schema()["properties"]["sources"]["type"] == "array"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("- {debian: dpkg, pypi: pages}", "r.yaml:3: acquire.sources.0: a source has one origin"),
        ("- {paths: a}", "acquire.sources.0: a source needs one of the keys debian, pypi"),
        ("- {file: a}", "this one has file; did you mean files?"),
        ("- dpkg", "acquire.sources.0: a source is a mapping with one of the keys"),
        ("- {npm: pages, pathz: a}", "sources.0.pathz is not a known key; did you mean paths?"),
        ("- {npm: pages, use: chats}", "sources.0.use: input should be 'pages' or 'chat'"),
        ("- {files: pages, name: Bad Name}", "sources.0.name: a source's name has small letters"),
        ("- {files: pages, name: Bad Name}", "write bad-name (got 'Bad Name')"),
        ("- files: [pages, a.warc.gz]", "a.warc.gz is an archive; write warc:"),
        ("- {warc: a.warc, paths: b}", "sources.0.paths is not a known key"),
        ("- files: []", "sources.0.files: value should have at least 1 item"),
    ],
)
def test_a_fault_is_named_with_its_place_and_a_way_out(line: str, fault: str) -> None:
    assert fault in faults_of(line)


@pytest.mark.parametrize("kind", ["debian", "pypi", "npm"])
@pytest.mark.parametrize("name", ["--option", "../up", "a b", "http://host/x", "./local", ""])
def test_a_package_name_cannot_be_an_option_a_path_or_an_address(kind: str, name: str) -> None:
    assert f"sources.0.{kind}: string should match" in faults_of(f"- {kind}: '{name}'")


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("我的 资料/", "我的-资料"),
        ("Müller/Übersicht", "übersicht"),
        ("café".replace("é", "e\u0301"), "café"),  # as file systems of macOS spell it
        ("！！/", "files"),
        ("页" * 200, "页" * 53),
    ],
)
def test_a_folder_named_in_any_script_gives_its_source_a_name(folder: str, name: str) -> None:
    section = read_section(f"- files: {folder}")
    assert section.sources[0].label == name
    assert read_section(f"- {{files: a, name: {name}}}").sources[0].label == name


def test_two_sources_of_one_name_are_refused() -> None:
    fault = faults_of("- debian: dpkg", "- {debian: dpkg, paths: b}")
    assert "two sources are called dpkg; give one another `name`" in fault


def test_all_faults_come_at_once() -> None:
    faults = faults_of("- {npm: pages, pathz: a}", "- 7", "- {debian: --evil}")
    assert [line.partition(" ")[0] for line in faults.splitlines()] == [
        "r.yaml:3:",
        "r.yaml:4:",
        "r.yaml:5:",
    ]
