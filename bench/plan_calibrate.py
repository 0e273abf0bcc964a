"""What `lodesmith plan calibrate` is worth on this machine: honest short runs of our own trainer.

    .venv/bin/python bench/plan_calibrate.py [--steps 10]

Models of ten sizes, sequences and batches are trained for a few steps each by `lodesmith run`, on
the sources of Python's standard library, one process each. Then every other run calibrates the
device `cpu` and the rest is predicted by the file before and after, both ways; and the smaller half
calibrates for the larger, which is what a person with a larger model in mind would do. It takes
four minutes on two idle cores. A machine at other work measures that work: run it alone, and
distrust runs whose steps differ much.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from lodesmith.plan.hardware.load import load_device
from lodesmith.plan.measured.calibrate import fit_device, predict_run
from lodesmith.plan.measured.measured_run import MeasuredRun, read_run

_RECIPE = """\
acquire: {sources: [{python: standard-library}]}
prepare: {}
tokenize: {vocab_size: 4096}
model:
  {kind: qwen3, hidden_size: 128, intermediate_size: 384, num_hidden_layers: 2,
   num_attention_heads: 2, num_key_value_heads: 2, head_dim: 64, max_position_embeddings: 512}
pretrain:
  {max_steps: 10, global_batch_size: 8, micro_batch_size: 4, sequence_length: 128,
   learning_rate: 0.01, warmup_steps: 2, checkpoint_every_steps: 1000, num_ranks: 1}
"""
# hidden size, layers, tokens of a sequence, sequences of a micro-batch; a step has two of these
_SIZES = (
    (128, 2, 128, 4),
    (128, 6, 256, 2),
    (192, 4, 256, 4),
    (256, 4, 256, 2),
    (256, 8, 128, 2),
    (320, 4, 512, 1),
    (384, 6, 256, 1),
    (512, 4, 128, 2),
    (512, 8, 256, 1),
    (640, 6, 256, 1),
)


def measure(workspace: Path, *, steps: int) -> list[MeasuredRun]:
    """Train each size for a few steps; return what was measured."""
    recipe = workspace / "sizes.yaml"
    recipe.write_text(_RECIPE, "utf-8")
    run_stages(workspace, recipe, "tokenize")
    runs = []
    for hidden, layers, sequence, micro in _SIZES:
        before = _pretrained(workspace)
        run_stages(
            workspace, recipe, "pretrain",
            f"model.hidden_size={hidden}", f"model.intermediate_size={3 * hidden}",
            f"model.num_hidden_layers={layers}", f"model.num_attention_heads={hidden // 64}",
            f"model.num_key_value_heads={hidden // 64}", f"pretrain.sequence_length={sequence}",
            f"pretrain.micro_batch_size={micro}", f"pretrain.global_batch_size={2 * micro}",
            f"pretrain.max_steps={steps}",
        )  # fmt: skip
        (made,) = _pretrained(workspace) - before
        runs.append(read_run(made))
        name = f"{hidden} wide, {layers} layers, {2 * micro} x {sequence}"
        steps_seen = runs[-1].step_seconds
        apart = max(steps_seen) / min(steps_seen) - 1
        print(f"  {name:<32}{runs[-1].seconds:8.3f} s a step, {len(steps_seen)} steps, "
              f"slowest {apart:.0%} over quickest", flush=True)  # fmt: skip
    return runs


def run_stages(workspace: Path, recipe: Path, last: str, *overrides: str) -> None:
    """Run a recipe up to a stage."""
    command = [sys.executable, "-m", "lodesmith", "run", str(recipe), *overrides]
    command += ["--until", last, "--workspace", str(workspace)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])


def _pretrained(workspace: Path) -> set[Path]:
    return set((workspace / "artifacts").glob("pretrain-*"))


def judge(title: str, seen: Sequence[MeasuredRun], held_out: Sequence[MeasuredRun]) -> list[float]:
    """Print the errors on runs that the fit has not seen; return those after the fit."""
    start = load_device("cpu")
    fitted = fit_device(start, seen)

    def errors(predict: Callable[[MeasuredRun], float]) -> list[float]:
        return [abs(predict(run) / run.seconds - 1) for run in held_out]

    before = errors(lambda run: predict_run(start, run))
    after = errors(lambda run: predict_run(fitted, run))
    print(
        f"  {title:<46}{len(held_out):3d} runs   median {median(before):6.1%} -> "
        f"{median(after):6.1%}   worst {max(before):6.1%} -> {max(after):6.1%}"
    )
    return after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=10, help="of each run; two of them warm up")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = measure(Path(folder), steps=arguments.steps)
    print("errors on runs that the fit has not seen, by the shipped file and after calibrating")
    after = judge("even runs, calibrated on odd ones", runs[::2], runs[1::2])
    after += judge("odd runs, calibrated on even ones", runs[1::2], runs[::2])
    half = len(runs) // 2
    judge("the larger half, calibrated on the smaller", runs[:half], runs[half:])
    print(f"  each run once, by the other half: median {median(after):.1%}")


if __name__ == "__main__":
    main()
