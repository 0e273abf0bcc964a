"""What ships of devices is sound, and names what is known and what is guessed."""

from pathlib import Path

import pytest
import yaml

import lodesmith
from lodesmith.core.errors import UserError
from lodesmith.pipeline.planning import plan
from lodesmith.plan.hardware.load import load_device, shipped


def shipped_folder() -> Path:
    return Path(lodesmith.plan.__path__[0]) / "hardware" / "devices"


@pytest.mark.parametrize("name", shipped("devices"))
def test_every_shipped_device_is_sound(name: str):
    device = load_device(name)
    assert device.reserved_gb < device.memory_gb
    assert all(peak > 0 for peak in device.peak_tflops.values())
    assert device.link_gb_per_second < device.memory_gb_per_second


def test_names_of_shipped_devices_are_unique():
    names = [load_device(name).name for name in shipped("devices")]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "tflops", "gigabytes"),
    [("a100-80", 312, 85.9), ("h100", 989.4, 85.5), ("tpu-v4", 275, 34), ("tpu-v5e", 197, 16),
     ("tpu-v5p", 459, 95), ("ascend-910b", 313, 64), ("ascend-910b1", 376, 64)],
)  # fmt: skip
def test_peaks_and_memory_are_those_published(name: str, tflops: float, gigabytes: float):
    device = load_device(name)
    assert device.peak_tflops["bf16"] == tflops
    assert device.memory_gb == gigabytes


@pytest.mark.parametrize(
    ("field", "value"),
    [("memory_gb_per_second", "0"), ("link_gb_per_second", "-1"), ("matmul_efficiency", "1.2"),
     ("memory_gb", "0")],
)  # fmt: skip
def test_an_impossible_constant_names_field_and_value(field: str, value: str, tmp_path):
    text = (shipped_folder() / "a100-80.yaml").read_text("utf-8")
    lines = [f"{field}: {value}" if line.startswith(f"{field}:") else line
             for line in text.splitlines()]  # fmt: skip
    path = tmp_path / "d.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(UserError, match=rf"{field}.*{value.lstrip('-')}"):
        load_device(str(path))


@pytest.mark.parametrize(
    ("peaks", "words"),
    [("{bf16: 0}", "bf16 must be above 0, not 0"), ("{bf16: -5}", "bf16 must be above 0, not -5"),
     ("{}", "needs bf16 or fp32.*it has nothing"), ("{fp8: 900}", "needs bf16 or fp32.*it has fp8"),
     ("{bf16: .nan}", "finite number")],
)  # fmt: skip
def test_impossible_peaks_are_named(peaks: str, words: str, tmp_path):
    text = yaml.safe_load((shipped_folder() / "a100-80.yaml").read_text("utf-8"))
    path = tmp_path / "d.yaml"
    path.write_text(yaml.safe_dump(text | {"peak_tflops": yaml.safe_load(peaks)}))
    with pytest.raises(UserError, match=rf"d.yaml.*peak_tflops.*{words}"):
        load_device(str(path))


def test_a_device_without_bf16_is_planned_in_fp32(tmp_path):
    text = yaml.safe_load((shipped_folder() / "h100.yaml").read_text("utf-8"))
    path = tmp_path / "d.yaml"
    path.write_text(yaml.safe_dump(text | {"peak_tflops": {"fp32": 67, "fp8": 1979}}))
    for asked in ("fp32", "fp8"):
        settings = [f"plan.device={path}", f"plan.precision={asked}"]
        assert plan("7b", overrides=settings).step.total > 0


def test_an_unknown_device_names_the_nearest():
    with pytest.raises(UserError, match="no device h10; did you mean h100"):
        load_device("h10")
