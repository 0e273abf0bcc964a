"""TRL's supervised trainer on given token ids: real tokens a CPU-second, and the loss.

Run by `bench/tune.py` with the Python of an environment that has TRL; the hub is switched off.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "WANDB_DISABLED": "true"}

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

WARM_STEPS = 2


class Meter(TrainerCallback):
    """CPU time and tokens after the first steps."""

    def __init__(self) -> None:
        self.tokens = self.started_tokens = 0
        self.started = self.ended = 0.0

    def on_step_end(self, args, state, control, **kwargs):  # noqa: ANN001, ANN003, ANN201, ARG002
        """Note the time."""
        self.ended = time.process_time()
        if state.global_step == WARM_STEPS:
            self.started, self.started_tokens = self.ended, self.tokens


class Counting(SFTTrainer):
    """Counts the tokens that are no padding."""

    meter: Meter

    def compute_loss(self, model, inputs, *args, **kwargs):  # noqa: ANN001, ANN002, ANN003, ANN201
        """Return TRL's loss, the tokens counted."""
        mask = inputs.get("attention_mask")
        ids = inputs["input_ids"]
        self.meter.tokens += (
            int(mask.sum()) if mask is not None and mask.dim() == 2 else ids.numel()
        )
        return super().compute_loss(model, inputs, *args, **kwargs)


def main(task: dict) -> dict:
    """Return what one way of training gave."""
    torch.set_num_threads(1)
    rows = json.loads(Path(task["documents"]).read_text())
    data = Dataset.from_list(
        [{"input_ids": ids, "completion_mask": [int(bit) for bit in mask]} for ids, mask in rows]
    )
    model = AutoModelForCausalLM.from_pretrained(task["model"], dtype=torch.float32)
    meter = Meter()
    config = SFTConfig(
        output_dir=task["scratch"],
        max_steps=task["steps"],
        report_to="none",
        save_strategy="no",
        use_cpu=True,
        bf16=False,
        logging_strategy="no",
        disable_tqdm=True,
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        gradient_checkpointing=False,
        completion_only_loss=True,
        dataset_kwargs={"skip_prepare_dataset": False},
        **task["settings"],
    )
    trainer = Counting(
        model=model, args=config, train_dataset=data, callbacks=[meter],
        processing_class=AutoTokenizer.from_pretrained(task["model"]),
    )  # fmt: skip
    trainer.meter = meter
    trainer.train()
    return {
        "tokens": meter.tokens - meter.started_tokens,
        "cpu_seconds": meter.ended - meter.started,
    }


if __name__ == "__main__":
    found = main(json.loads(sys.argv[1]))
    sys.stdout.write("\n" + json.dumps(found) + "\n")
