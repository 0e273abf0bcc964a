"""An audited domain: what leaks is stopped at the door, what was learnt privately goes out."""

import json

import pytest
import torch
from tests.support.tiny_model import write_chain, write_domain, write_model
from typer.testing import CliRunner

import lodesmith.cli.main  # noqa: F401 adds the commands
from lodesmith.cli.app import app
from lodesmith.core.errors import UserError
from lodesmith.core.storage import read_json
from lodesmith.lineage.release import check_release
from lodesmith.model.checkpoint import load_decoder
from lodesmith.model.lora import load_adapter, merge_adapter
from lodesmith.pipeline.run import run

AUDIT = {  # noise is drawn anew in every run: the limit is six standard deviations above chance
    "planted": [1],
    "num_canaries": 12,
    "num_references": 100,
    "max_mean_exposure_bits": 4,
}
COMMON = {"replay_fraction": 0, "forgetting_limit": None, "sequence_length": 127}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("private")
    write_model(folder / "base")
    write_domain(folder / "notes.jsonl", subject="table", num_rows=60)
    return folder


def tune(place, **settings):
    files = [str(place / "notes.jsonl")]
    domain = {"domain": "clinic", "files": files, **COMMON, **settings}
    path = write_chain(place / "chain.yaml", domain)
    return run(
        str(path), workspace=place / "ws", until="tune", start=str(place / "base")
    ).artifacts["tune"]


@pytest.fixture(scope="module")
def leaky(place):
    return tune(
        place, audit=AUDIT, max_steps=80, learning_rate=0.01, global_batch_size=16,
        micro_batch_size=8,
    )  # fmt: skip


@pytest.fixture(scope="module")
def private(place):
    return tune(
        place, audit=AUDIT, max_steps=30, learning_rate=0.01, global_batch_size=16,
        micro_batch_size=8, adapter={"rank": 4},
        differential_privacy={"epsilon": 1, "delta": 1e-3, "max_record_norm": 1.0},
    )  # fmt: skip


def test_a_model_that_memorised_is_not_let_out(place, leaky):
    audit = read_json(leaky.file("audit.json"))
    assert audit["mean_exposure_bits_by_count"].keys() == {"1"}
    assert not audit["is_passed"]
    for command in (["export", leaky.id, "-o", str(place / "out")], ["serve", leaky.id],
                    ["export", str(leaky.file("model")), "-o", str(place / "out")]):  # fmt: skip
        found = CliRunner().invoke(app, [*command, "--workspace", str(place / "ws")])
        assert isinstance(found.exception, UserError)
        assert "is not let out" in str(found.exception)
        assert "canary-0" in str(found.exception)
    assert not (place / "out").exists()


def test_what_is_reported_names_canaries_and_tells_none(place, leaky):
    from lodesmith.tune.privacy import AuditConfig
    from lodesmith.tune.private.canaries import make_canaries

    secrets = [
        canary.sample(is_text=False).messages[-1]["content"]
        for canary in make_canaries(AuditConfig(**AUDIT), seed=0)
    ]
    rows = leaky.file("audit.json").read_text("utf-8") + json.dumps(leaky.receipt.config)
    assert secrets
    assert not any(secret in rows for secret in secrets)


def test_a_model_that_learnt_privately_passes(place, private):
    audit = read_json(private.file("audit.json"))
    assert audit["is_passed"], audit["reasons"]
    assert audit["num_extracted"] == 0
    check_release(private.file("model"))
    out = place / "private-out"
    found = CliRunner().invoke(
        app, ["export", private.id, "-o", str(out), "--workspace", str(place / "ws")]
    )
    assert found.exit_code == 0, found.exception
    assert (out / "model.safetensors").is_file()


def test_what_was_learnt_privately_is_an_adapter_too(place, private):
    adapter = load_adapter(private.file("adapter"))
    assert adapter.shape.rank == 4
    decoder = load_decoder(place / "base")
    merge_adapter(decoder, adapter)
    ids = torch.arange(20)[None]
    with torch.no_grad():
        tuned = load_decoder(private.file("model"))(ids)
        torch.testing.assert_close(decoder(ids), tuned, rtol=1e-4, atol=1e-5)


def test_epsilon_and_delta_stand_in_the_receipt(private):
    counts = private.receipt.counts
    assert 0 < counts["epsilon"] <= 1
    assert counts["delta"] == 1e-3
    assert read_json(private.file("training.json"))["epsilon"] == counts["epsilon"]
    assert "loss" not in json.dumps(read_json(private.file("training.json")))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"differential_privacy": {"epsilon": 1}}, "add adapter"),
        ({"differential_privacy": {"epsilon": 1}, "adapter": {}, "audit": {"planted": [1, 16]}},
         r"promises for one record, not for what stands in 16; set audit.planted: \[1\]"),
        ({"differential_privacy": {"epsilon": 1}, "adapter": {}, "replay_fraction": 0.1},
         "replay_fraction: 0"),
        ({"differential_privacy": {"epsilon": 1}, "adapter": {}, "global_batch_size": 60},
         "too few for differential privacy"),
        ({"differential_privacy": {"epsilon": 1, "delta": 0.1}, "adapter": {}},
         "lets one of 57 records out whole"),
    ],
)  # fmt: skip
def test_settings_that_promise_nothing_are_refused(place, settings, message):
    with pytest.raises(UserError, match=message):
        tune(place, **settings)
