"""Runs on GPUs: what is refused before they start, and that a step stays on its rank's device.

No GPU is here. A made-up nvidia-smi says what there is, and the device that computes is torch's
"meta", on which everything has a shape and no values: what is left in main memory shows.
"""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_life import write_life
from tiny_training import SHAPE, make_job
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lodesmith.core import gpus
from lodesmith.core.config import validate
from lodesmith.core.errors import UserError
from lodesmith.core.gpus import Gpu, find_gpus
from lodesmith.core.yaml_text import parse_yaml
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.decoder import Decoder
from lodesmith.parallel.ranks import Ranks
from lodesmith.pipeline.layouts import choose_layout
from lodesmith.pipeline.run import run
from lodesmith.pretrain.config import PretrainConfig
from lodesmith.train.ahead import checks, memory_check
from lodesmith.train.ahead.checks import check_job
from lodesmith.train.config import TrainingConfig
from lodesmith.train.learners.replicated import ReplicatedLearner
from lodesmith.train.objectives import loss
from lodesmith.train.ranks import crew
from lodesmith.train.ranks.crew import choose_num_ranks
from lodesmith.train.ranks.worker import take_device
from lodesmith.train.samples.loader import open_source
from lodesmith.tune.privacy import PrivateTraining
from lodesmith.tune.private.training import PrivateJob, train_privately

H100 = Gpu(name="H100", compute_capability=(9, 0), free_bytes=80 << 30, total_bytes=80 << 30)
A100 = replace(H100, name="A100", compute_capability=(8, 0))
FLOAT8 = {"matmul_dtype": "float8", "param_dtype": "bf16"}


@pytest.fixture
def machine(monkeypatch):
    """Yields a function that says which GPUs there are."""

    def has(*found):
        for module in (checks, crew, memory_check):
            monkeypatch.setattr(module, "find_gpus", lambda: list(found))

    return has


def test_a_run_on_gpus_that_are_not_there_is_refused_before_it_starts(tmp_path, machine):
    machine()
    job = make_job(tmp_path, device="cuda")
    with pytest.raises(UserError, match="a GPU of its own to 1 rank here, but there are 0"):
        check_job(job, num_ranks=1)
    machine(A100)
    check_job(job, num_ranks=1)
    with pytest.raises(UserError, match=r"to 2 ranks here, but there are 1 \(A100\)"):
        check_job(make_job(tmp_path, device="cuda", num_ranks=2), num_ranks=2)
    with pytest.raises(UserError, match="sees 0 GPU"):
        take_device("cuda", slot=0)


def test_a_whole_life_on_gpus_that_are_not_there_is_refused_before_its_first_stage(
    tmp_path, machine
):
    machine()
    recipe = str(write_life(tmp_path))
    with pytest.raises(UserError, match="pretrain: device cuda gives a GPU of its own to 1 rank"):
        run(recipe, overrides=["pretrain.device=cuda"], workspace=tmp_path / "w")
    float8 = ["pretrain.matmul_dtype=float8", "pretrain.param_dtype=bf16"]
    with pytest.raises(UserError, match="but device is cpu; leave matmul_dtype out"):
        run(recipe, overrides=float8, workspace=tmp_path / "w")
    assert not list((tmp_path / "w" / "artifacts").glob("*"))


def test_auto_takes_as_many_ranks_as_there_are_gpus_up_to_two(machine):
    config = TrainingConfig(max_steps=1, device="cuda")
    for found, ranks in (((A100,), 1), ((A100, A100), 2), ((A100,) * 4, 2)):
        machine(*found)
        assert choose_num_ranks(config) == ranks


def test_float8_is_refused_with_a_reason_where_it_cannot_be(tmp_path, machine, monkeypatch):
    machine(A100)
    with pytest.raises(UserError, match="but device is cpu; leave matmul_dtype out"):
        check_job(make_job(tmp_path, **FLOAT8), num_ranks=1)
    with pytest.raises(UserError, match=r"capability 8\.9 or more, but A100 has 8\.0"):
        check_job(make_job(tmp_path, device="cuda", **FLOAT8), num_ranks=1)
    machine(H100)
    monkeypatch.setattr(checks.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'lodesmith\[float8\]'"):
        check_job(make_job(tmp_path, device="cuda", **FLOAT8), num_ranks=1)
    monkeypatch.undo()
    machine(H100)
    text = "max_steps: 1\nmatmul_dtype: float8"
    with pytest.raises(UserError, match="wants param_dtype bf16, not fp32"):
        validate(TrainingConfig, parse_yaml(text, origin="r"), origin="r")


def test_a_layout_of_auto_is_for_cores_only():
    config = PretrainConfig(max_steps=1, device="cuda", parallel="auto")
    with pytest.raises(UserError, match="give sizes, such as parallel"):
        choose_layout(config, model=SHAPE, vocab_size=SHAPE.vocab_size)


def test_private_training_says_that_it_runs_on_the_cpu(tmp_path):
    job = PrivateJob(
        config=TrainingConfig(max_steps=1, device="cuda"), privacy=PrivateTraining(epsilon=1.0),
        adapter=AdapterShape(rank=1, alpha=1.0, targets=("q_proj",)), start=tmp_path,
        model_folder=tmp_path, adapter_folder=tmp_path, eos_ids=(), vocabulary="", title="p",
    )  # fmt: skip
    with pytest.raises(UserError, match="p: private training runs on the CPU; leave out device"):
        train_privately(job, [])


def test_gpus_are_read_from_the_drivers_program(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\necho 'NVIDIA H200, SXM, 9.0, 1024, 2048'\necho 'NVIDIA A100, 8.0, 1, 2'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    expected = [
        Gpu(name="NVIDIA H200, SXM", compute_capability=(9, 0), free_bytes=1 << 30,
            total_bytes=2 << 30),
        Gpu(name="NVIDIA A100", compute_capability=(8, 0), free_bytes=1 << 20,
            total_bytes=2 << 20),
    ]  # fmt: skip
    for chosen, found in (
        (None, expected), ("1,0", expected[::-1]), ("", []), ("-1", []), ("0,7,1", expected[:1]),
    ):  # fmt: skip
        find_gpus.cache_clear()
        if chosen is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        assert find_gpus() == found
    monkeypatch.setattr(gpus.shutil, "which", lambda name: None)
    find_gpus.cache_clear()
    assert find_gpus() is None
    find_gpus.cache_clear()


class OneDevice(TorchDispatchMode):
    """Fails where an operator gets tensors of two devices; numbers and copies may cross."""

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        given = tree_leaves((args, kwargs or {}))
        devices = {x.device.type for x in given if isinstance(x, torch.Tensor) and x.dim()}
        assert len(devices) < 2 or "copy" in str(operator), f"{operator} got {devices}"
        return operator(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "settings",
    [{}, {"optimizer": "adamw", "activation_checkpointing": "full", "z_loss": 0.001}],
)
def test_all_that_a_step_computes_lies_on_the_device_of_its_rank(tmp_path, monkeypatch, settings):
    monkeypatch.setattr(loss.torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    job = make_job(tmp_path, **settings)
    batch = open_source(job.data, sequence_length=16).batch(np.arange(8))
    ranks = Ranks(rank=0, num_ranks=1, device="meta")
    with torch.device("meta"):
        decoder = Decoder(SHAPE)
    with OneDevice():
        learner = ReplicatedLearner(decoder, job, ranks=ranks, beat=lambda: None)
        # The mean is a number, which "meta" has none of.
        monkeypatch.setattr(learner.gradients, "reduce", lambda: (1.0, 8))
        assert learner.learn(batch) == (1.0, 8)
        learner.gradients._point_to(0)
        learner.scale_gradients(0.5)
        learner.update(0, fraction=0.5)
    assert {tensor.device.type for tensor in learner.tensors().values()} == {"meta"}
    with pytest.raises(AssertionError, match="got"), OneDevice():
        torch.ones(2) + torch.ones(2, device="meta")
