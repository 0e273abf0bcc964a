"""Records of every known form: found by their fields, and their faults named with file and line."""

import json
from collections import Counter
from pathlib import Path

import pytest

from lodesmith.core.errors import UserError
from lodesmith.tune.samples.files import list_files, read_records
from lodesmith.tune.samples.samples import Sample, parse_sample, read_samples

SHARED = Path(__file__).parents[3] / "shared" / "data"
HI = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
real = pytest.mark.skipif(not SHARED.is_dir(), reason="the real samples are not here")


def said(sample):
    return [(message["role"], message["content"]) for message in sample.messages]


@pytest.mark.parametrize(
    ("entry", "form"),
    [
        ({"messages": HI}, "chat"),
        ({"messages": HI, "label": True}, "rated"),
        ({"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
         "chat"),
        ({"instruction": "hi", "input": "", "output": "hello"}, "chat"),
        ({"prompt": "hi", "completion": "hello"}, "chat"),
        ({"prompt": HI[:1], "completion": HI[1:], "label": False}, "rated"),
        ({"question": "hi", "answer": "hello"}, "question"),
    ],
)  # fmt: skip
def test_equal_records_of_all_forms_become_equal_messages(entry, form):
    sample = parse_sample(entry, "x:1")
    assert said(sample) == [("user", "hi"), ("assistant", "hello")]
    assert sample.form == form
    assert Sample.from_json(sample.to_json()) == sample


@pytest.mark.parametrize(
    "entry",
    [
        {"prompt": "hi", "chosen": "yes", "rejected": "no"},
        {"prompt": HI[:1], "chosen": [HI[1] | {"content": "yes"}],
         "rejected": [HI[1] | {"content": "no"}]},
        {"chosen": [*HI[:1], HI[1] | {"content": "yes"}],
         "rejected": [*HI[:1], HI[1] | {"content": "no"}]},
        {"conversations": [{"from": "human", "value": "hi"}],
         "chosen": {"from": "gpt", "value": "yes"}, "rejected": {"from": "gpt", "value": "no"}},
        {"instruction": "hi", "output": "x", "chosen": "yes", "rejected": "no"},
    ],
)  # fmt: skip
def test_equal_pairs_of_all_forms_become_equal(entry):
    sample = parse_sample(entry, "x:1")
    assert (said(sample), sample.chosen, sample.rejected) == ([("user", "hi")], "yes", "no")
    assert Sample.from_json(sample.to_json()) == sample


def test_what_stands_behind_the_hashes_is_the_right_answer():
    assert parse_sample({"question": "1+1?", "answer": "so\n#### 2"}, "x:1").reference == "2"


def test_tool_calls_become_text_whoever_wrote_them():
    call = {"name": "look_up", "arguments": {"word": "肝"}}
    openai = {
        "messages": [
            HI[0],
            {"role": "assistant", "content": None, "tool_calls": [{"function": {
                "name": "look_up", "arguments": json.dumps(call["arguments"])}}]},
            {"role": "tool", "content": "liver"},
            HI[1],
        ],
        "tools": [{"name": "look_up"}],
    }  # fmt: skip
    sharegpt = {
        "conversations": [
            {"from": "human", "value": "hi"},
            {"from": "function_call", "value": json.dumps(call, ensure_ascii=False)},
            {"from": "observation", "value": "liver"},
            {"from": "gpt", "value": "hello"},
        ],
        "tools": '[{"name": "look_up"}]',
    }
    first, second = (parse_sample(entry, "x:1") for entry in (openai, sharegpt))
    assert first == second
    assert first.messages[0]["role"] == "system"
    assert '{"name": "look_up"}' in first.messages[0]["content"]
    assert json.loads(first.messages[2]["content"].split("\n")[1]) == call


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"label": 1, "messages": HI}, "label is 1; it is true"),
        ({"robot": 1}, "has the fields robot, which is no form known here"),
        ([1], "is a list; a record is an object"),
        ({"messages": HI[::-1]}, r"messages\[0\] is the assistant's, after nothing"),
        ({"messages": "hi"}, 'has no "messages"'),
        ({"conversations": [{"from": "robot", "value": "x"}]}, "a turn is from 'robot'"),
        ({"conversations": [{"from": "human"}]}, 'needs "from" and a text as "value"'),
        ({"prompt": "a", "chosen": "x", "rejected": "x"}, "are the same answer"),
        ({"prompt": "a", "chosen": HI, "rejected": [HI[0] | {"content": "b"}, HI[1]]},
         "answer different questions|messages"),
        ({"text": 1}, "text is a number"),
        ({"instruction": "a", "output": "b", "history": ["ab"]}, "history must be a list of pairs"),
        ({"instruction": "a", "output": "b", "input": ["x"]}, "input is a list; it must be text"),
        ({"messages": [HI[0], HI[1] | {"content": [1], "tool_calls": [{"function": {"name": "f",
          "arguments": {}}}]}]}, r"messages\[1\]\.content is a list"),
        ({"messages": HI, "tools": "{"}, "tools is not JSON"),
        ({"messages": [HI[0], HI[1] | {"tool_calls": [{"function": {"name": "f",
          "arguments": "{bad"}}]}]}, "arguments of a tool call are not JSON"),
    ],
)  # fmt: skip
def test_a_fault_names_file_and_line(entry, fault):
    with pytest.raises(UserError, match=rf"^f\.jsonl:7: .*({fault})"):
        parse_sample(entry, "f.jsonl:7")


@pytest.mark.parametrize("indent", [None, 1])
def test_the_line_of_a_record_in_a_list_is_where_it_begins(tmp_path, indent):
    path = tmp_path / "list.json"
    path.write_text(json.dumps([{"text": "a"}, {"text": "b\nc"}], indent=indent))
    places = [place.rpartition(":")[2] for place, _ in read_records(path)]
    assert places == (["1", "1"] if indent is None else ["2", "5"])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"text": "a"}\n{"text": "cut in the mid', 2),
        ('{"text": "a"}\n{"text":', 2),
        ('[\n{"text": "a"},\n{"text": "cut in', 3),
        ('[{"text": "a"},\n', 2),
        ('[{"text": "a"}\n', 2),
    ],
)
def test_a_file_that_was_cut_off_says_so(tmp_path, text, place):
    path = tmp_path / "cut.json"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"cut\.json:{place}: .*cut off"):
        list(read_records(path))


def test_a_fault_inside_a_file_is_no_cut(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": "a"\n{"text": "b"}\n')
    with pytest.raises(UserError, match=r"bad\.jsonl:1: is not JSON"):
        list(read_records(path))


def test_names_that_stand_for_nothing_are_refused(tmp_path):
    (tmp_path / "a.docx").write_text("x")
    for name, fault in ((".", "no file that can be read"), ("a.docx", "no kind of file"),
                        ("b.json", "neither a file nor a folder")):  # fmt: skip
        with pytest.raises(UserError, match=fault):
            list_files([str(tmp_path / name)])


@real
def test_published_samples_are_read_whole():
    forms = {
        path.name: Counter(sample.form for sample in read_samples([path]))
        for path in list_files([str(SHARED / "llamafactory-demo" / "data")])
    }
    assert forms["dpo_zh_demo.json"] == {"pair": 300}
    assert forms["kto_en_demo.json"] == {"rated": 300}
    assert forms["glaive_toolcall_zh_demo.json"] == {"chat": 300}
    assert forms["alpaca_zh_demo.json"] == {"chat": 1000}
    assert forms["c4_demo.jsonl"] == {"text": 300}


@real
def test_a_published_file_that_is_cut_off_is_named():
    with pytest.raises(UserError, match=r"train\.jsonl:7471: the file is cut off"):
        list(read_samples([SHARED / "gsm8k" / "train.jsonl"]))
