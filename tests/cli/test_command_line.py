import json
import subprocess
import sys

import pytest
import typer
from tiny_life import write_life

from lodesmith.cli.app import app
from lodesmith.cli.main import COMMAND_GROUPS
from lodesmith.core.version import VERSION
from lodesmith.pipeline.doctor import examine_machine


def lodesmith(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "lodesmith", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


COMMANDS = [
    "run", "acquire", "prepare", "tokenize", "pretrain", "tune", "evaluate", "serve", "clean",
    "plan", "export", "chat", "ls", "show", "trace", "doctor",
]  # fmt: skip


def test_help_lists_every_command():
    result = lodesmith("--help")
    assert result.returncode == 0
    assert all(f" {command} " in result.stdout for command in COMMANDS)
    places = [result.stdout.index(f" {command} ") for command in ("run", "chat", "trace", "doctor")]
    assert places == sorted(places)


@pytest.mark.parametrize("command", ["run", "serve", "clean", "trace", "pretrain"])
def test_help_of_a_command_shows_an_example(command):
    result = lodesmith(command, "--help")
    assert result.returncode == 0
    assert f"lodesmith {command} " in result.stdout.replace("Usage: lodesmith", "")


def test_every_argument_and_option_says_what_it_is():
    silent = []

    def look(command, path):
        silent.extend(f"{path} {each.name}" for each in command.params if not each.help)
        for name, inner in getattr(command, "commands", {}).items():
            look(inner, f"{path} {name}")

    look(typer.main.get_command(app), "lodesmith")
    assert COMMAND_GROUPS  # whose import adds the commands
    assert silent == []


def test_help_imports_nothing_heavy():
    code = (
        "import sys, lodesmith.cli.main; "
        "print(sorted({'torch', 'numpy', 'fastapi', 'openai', 'pyarrow'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "quickstar"], "did you mean quickstart?"),
        (["run", "absent.yaml"], "absent.yaml: cannot be read"),
        (["rum", "quickstart"], "rum"),
        (["show", "pretrain-0000"], "no artifact pretrain-0000"),
        (["trace"], "give one of"),
        (["export", "nothing-here", "-o", "x"], "no artifact nothing-here"),
        (["serve", "quickstart-model"], "no artifact quickstart-model"),
        (["serve", "quickstar"], "or do you mean the recipe quickstart?"),
        (["export", "我的", "-o", "x"], "or do you mean the recipe 我的.yaml?"),
        (["serve", "./x", "--port", "99999"], "65535. See"),
        (["serve", "/no/such/model"], "there is no folder /no/such/model"),
        (["export", "./model", "-o", "x"], "there is no folder ./model"),
        (["join", "10.0.0.1", "--key-file", "key"], "is not of the form HOST:PORT"),
        (["serve", "quickstart", "--host", "0.0.0.0"], "give --api-keys FILE"),
        (["serve", "quickstart", "--quantization", "int7"], "--quantization is int8 or int4"),
        (["evaluate", "nosuch"], "no artifact nosuch"),
        (["clean", "absent.warc", "-o", "out.jsonl"], "absent.warc"),
    ],
)
def test_a_fault_of_the_user_is_one_line_and_exit_code_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "我的.yaml").write_text("model: {}\n")
    result = lodesmith(*arguments)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "lodesmith-workspace").exists()


@pytest.mark.parametrize(
    "arguments",
    [["evaluate"], ["evaluate", "--tasks", "arithmetic"], ["serve"], ["export", "-o", "x"]],
)
def test_a_name_of_both_a_recipe_and_a_model_here_is_asked_about(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "config.json").write_text("{}")
    command, *rest = arguments
    result = lodesmith(command, "small", *rest)
    assert result.returncode == 2
    assert "write ./small for the folder" in result.stderr
    (tmp_path / "small" / "config.json").unlink()
    result = lodesmith("export", "small", "-o", "x")
    assert "small has made no model in lodesmith-workspace yet" in result.stderr


def test_settings_of_a_recipe_are_refused_beside_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in ("evaluate", "serve"):
        result = lodesmith(command, "./model", "model.num_hidden_layers=2")
        assert result.returncode == 2
        assert "model.num_hidden_layers=2 is a setting of a recipe" in result.stderr


def test_a_recipe_with_two_faults_shows_both(tmp_path):
    path = write_life(tmp_path)
    path.write_text(path.read_text().replace("hidden_size", "hidden_siz").replace("tune:", "tun:"))
    result = lodesmith("run", path, "--workspace", tmp_path / "w")
    assert result.returncode == 2
    assert "did you mean hidden_size?" in result.stderr
    assert "did you mean tune?" in result.stderr


def test_dry_run_says_what_would_be_made_and_makes_nothing(tmp_path):
    result = lodesmith(
        "run", write_life(tmp_path), "--dry-run", "--json", "--workspace", tmp_path / "w"
    )
    planned = json.loads(result.stdout)
    assert [stage["kind"] for stage in planned][:2] == ["acquire", "prepare"]
    assert planned[0]["id"].startswith("acquire-")
    assert not any(stage["done"] for stage in planned)
    assert not (tmp_path / "w").exists()


def test_ls_names_what_was_begun_and_where_it_lies(tmp_path):
    folder = tmp_path / "w" / "unfinished" / "acquire-0123"
    folder.mkdir(parents=True)
    lines = lodesmith("ls", "--workspace", tmp_path / "w").stdout.splitlines()
    assert lines[-1].startswith("acquire-0123 ")
    assert lines[-1].endswith(f"or delete {folder}")


def test_the_version_is_told():
    assert lodesmith("--version").stdout == f"lodesmith {VERSION}\n"


def test_no_argument_shows_the_help_and_no_error():
    result = lodesmith()
    assert " quickstart" in result.stdout
    assert result.stderr == ""


def test_a_wrong_use_names_the_help_of_its_command():
    assert "error: Missing argument 'ID'. See `" in lodesmith("show").stderr
    assert lodesmith("show").stderr.endswith("lodesmith show --help`\n")
    assert "lodesmith label judge --help`" in lodesmith("label", "judge").stderr
    assert "lodesmith --help`" in lodesmith("rum").stderr


def test_doctor_says_where_nothing_can_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lodesmith.pipeline.doctor.os.access", lambda _path, _mode: False)
    disk = examine_machine()["disk"]
    assert not disk["ok"]
    assert "cannot be written to" in disk["says"]


def test_doctor_reports_cores_and_memory():
    findings = json.loads(lodesmith("doctor", "--json").stdout)
    assert findings["torch"]["ok"]
    assert findings["cores"]["says"]
