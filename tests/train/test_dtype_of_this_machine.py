from lodesmith.train.config import TrainingConfig, settle_dtype


def test_auto_takes_bf16_only_where_the_cpu_multiplies_it(tmp_path):
    auto = TrainingConfig(max_steps=1, param_dtype="auto")
    for flags, expected in (
        ("sse2 avx2", "fp32"),
        ("avx2 avx512_bf16", "bf16"),
        ("amx_bf16", "bf16"),
    ):
        cpus = tmp_path / "cpuinfo"
        cpus.write_text(f"processor\t: 0\nflags\t\t: fpu {flags} end\n")
        assert settle_dtype(auto, cpus=cpus).param_dtype == expected
    assert settle_dtype(auto, cpus=tmp_path / "absent").param_dtype == "fp32"


def test_a_dtype_that_the_recipe_names_is_left_alone(tmp_path):
    named = TrainingConfig(max_steps=1, param_dtype="bf16")
    assert settle_dtype(named, cpus=tmp_path / "absent") is named
