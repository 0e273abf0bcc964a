"""Rows of measured runs: predicted, or left out with the reason; no file and no row is a crash."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.plan.measured.table import read_job
from lodesmith.plan.measured.validation import (
    predict_row,
    predict_rows,
    summarise_errors,
    validation_data,
    validation_text,
)

ROW = {
    "id": "r1", "source": "MT-NLG", "level": "step", "arch": "gpt", "layers": "105",
    "hidden": "20480", "heads": "128", "kv_heads": "128", "ffn": "81920", "gated": "0",
    "vocab": "51200", "seq": "2048", "device": "A100-80GB-SXM", "devices": "2800",
    "devices_per_node": "8",
    "tp": "8", "pp": "35", "vpp": "1", "dp": "10", "cp": "1", "microbatch": "1",
    "global_batch": "1920", "precision": "bf16", "recompute": "full", "zero": "1",
    "attn_impl": "unfused", "iteration_seconds": "50.2",
}  # fmt: skip


def test_a_measured_row_gets_a_prediction_and_an_error():
    prediction = predict_row(ROW)
    assert prediction.note == ""
    assert prediction.error is not None
    assert abs(prediction.error) < 0.06


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"arch": "hybrid"}, "architecture hybrid"),
        ({"cp": "4"}, "the layout fills 11200 devices, the row has 2800"),
        ({"experts": "8"}, "num_experts_per_tok (0) must lie between"),
        ({"device": "TPU v3"}, "device TPU v3"),
        ({"hidden": ""}, "no hidden"),
        ({"ffn": "", "vocab": ""}, "no ffn, vocab in the row"),
        ({"kv_heads": " "}, "no kv_heads in the row"),
        ({"attn_impl": ""}, "no attn_impl in the row"),
        ({"precision": "int8"}, "precision 'int8' is not modelled"),
        ({"recompute": "some"}, "recompute 'some' is not modelled"),
        ({"zero": "4"}, "zero '4' is not modelled"),
        ({"gated": "yes"}, "gated 'yes' is not modelled"),
        ({"level": "run"}, "only single steps"),
        ({"tp": "0"}, "tp is '0'; it must be a whole number from 1"),
        ({"tp": "eight"}, "tp is 'eight'"),
        ({"layers": "-105"}, "layers is '-105'"),
        ({"layers": "inf"}, "layers is 'inf'"),
        ({"layers": "1e300"}, "layers is '1e300'"),
        ({"hidden": "20480.5"}, "hidden is '20480.5'"),
        ({"seq": "2,048"}, "seq is '2,048'"),
        ({"devices_per_node": "0"}, "devices_per_node is '0'"),
        ({"heads": "127"}, "num_attention_heads (127) must be a multiple"),
        ({"heads": "132", "kv_heads": "132"}, "tp (8) does not divide heads (132)"),
        ({"vpp": "4"}, "pp x vpp is more than layers (105)"),
        ({"arch": "moe"}, "arch is moe, but experts is empty"),
        ({"experts": "8", "topk": "2", "moe_ffn": "512", "ep": "3"}, "ep (3) does not divide"),
        ({"global_batch": "1"}, "batch is smaller"),
        ({"heads": "99999"}, "heads (99999) are more than hidden"),
    ],
)
def test_a_row_that_is_not_modelled_has_no_number_and_says_why(changes, note):
    prediction = predict_row({**ROW, **changes})
    assert prediction.predicted_seconds is None
    assert prediction.predicted_mem_gb is None
    assert note in prediction.note


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(ROW)),
        st.none() | st.text(max_size=6) | st.integers(-9, 9999).map(str) | st.floats().map(str),
        max_size=6,
    )
)
def test_no_row_is_answered_with_a_number_that_is_none(changes):
    prediction = predict_row({**ROW, **changes})
    if prediction.predicted_seconds is None:
        assert prediction.note
    else:
        assert math.isfinite(prediction.predicted_seconds)
        assert prediction.predicted_seconds > 0
        assert math.isfinite(prediction.predicted_mem_gb or 0)


@pytest.mark.parametrize("seconds", ["-5", "nan", "inf", "soon", "0"])
def test_a_measurement_that_is_no_time_is_not_compared(seconds):
    assert predict_row({**ROW, "iteration_seconds": seconds}).error is None


def test_a_table_that_a_spreadsheet_wrote_is_read(tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text("\n".join([",".join(ROW), ",".join(ROW.values())]), "utf-8-sig")
    assert predict_rows(table)[0].predicted_seconds


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no column id.*has nothing"),
        (b"id;arch\nr1;gpt\n", "parted by commas, and has id;arch"),
        (b"\xff\xfei\x00", "cannot be read as CSV in UTF-8"),
        (b"id,arch\nr1," + b"x" * 200_000, "cannot be read as CSV"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, message):
    table = tmp_path / "rows.csv"
    table.write_bytes(content)
    with pytest.raises(UserError, match=message):
        predict_rows(table)


def test_memory_is_compared_where_it_was_measured():
    summary = summarise_errors([predict_row({**ROW, "mem_gb": "70"})])
    assert summary["num_memory_compared"] == 1
    assert 0 < summary["median_absolute_memory_error"] < 1


@pytest.mark.parametrize(("recompute", "is_told"), [("full", True), ("", False), ("none?", False)])
def test_memory_is_not_guessed_where_a_row_does_not_say_what_it_recomputes(recompute, is_told):
    prediction = predict_row({**ROW, "recompute": recompute})
    assert prediction.predicted_seconds
    assert (prediction.predicted_mem_gb is not None) == is_told
    assert ("memory of 1 row: not told" in validation_text([prediction])) != is_told


def test_a_rows_notes_tell_two_programs_of_one_source_apart():
    row = ROW | {"source": "Ascend/MindSpeed-LLM (ModelLink)", "device": "Ascend-910B"}
    assert read_job(row | {"notes": "mc2 on; impl Legacy"}).stack.name == "ModelLink"
    assert read_job(row | {"notes": "mc2 on; impl Mcore"}).stack.name == "MindSpeed-LLM"
    assert read_job(row).stack.name == "MindSpeed-LLM"  # nothing said: the newer one
    assert read_job(ROW | {"notes": "impl Legacy"}).stack.name.startswith("Megatron-DeepSpeed")


@pytest.mark.parametrize(
    ("changes", "stack", "network", "precision"),
    [
        ({"source": "llm-foundry"}, "llm-foundry", 25, "bf16"),
        ({"source": "llm-foundry", "device": "H100-80GB-SXM"}, "llm-foundry", 50, "bf16"),
        ({"source": "Megatron-LM", "table": "Table 2 ZeRO-3"}, "ZeRO-3", 25, "bf16"),
        ({"source": "torchtitan", "precision": "fp8 rowwise"}, "torchtitan", 50, "bf16"),
        ({"source": "torchtitan", "precision": "fp8 tensorwise"}, "torchtitan", 50, "fp8"),
    ],
)
def test_what_columns_leave_out_comes_from_the_programs_file(changes, stack, network, precision):
    job = read_job({**ROW, **changes})
    assert (job.stack.name, job.training.precision) == (stack, precision)
    assert job.cluster.network_gb_per_second == network


def test_rows_without_measurements_are_predicted_but_not_compared(tmp_path):
    table = tmp_path / "rows.csv"
    rows = [ROW, {**ROW, "id": "r2", "iteration_seconds": ""}]
    lines = [",".join(ROW), *(",".join(row.values()) for row in rows)]
    table.write_text("\n".join(lines))
    summary = summarise_errors(predict_rows(table))
    assert (summary["num_predicted"], summary["num_compared"]) == (2, 1)


def test_validation_says_how_many_rows_it_left_out_and_why():
    predictions = [predict_row(ROW), predict_row({**ROW, "id": "r2", "arch": "lora"})]
    data = validation_data(predictions)
    assert [row["id"] for row in data["rows"]] == ["r1", "r2"]
    assert data["rows"][1] == {
        "id": "r2", "predicted_seconds": None, "predicted_mem_gb": None,
        "note": "architecture lora is not modelled",
    }  # fmt: skip
    text = validation_text(predictions)
    assert "1 of 2 rows predicted" in text
    assert "1  architecture lora is not modelled" in text


def test_a_table_without_ids_is_refused(tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text("model,seconds\nx,1\n")
    with pytest.raises(UserError, match="no column id"):
        predict_rows(table)
