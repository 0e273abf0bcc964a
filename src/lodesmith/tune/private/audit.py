"""What a model gives away of the records that it learnt, measured on planted secrets.

exposure     how far a secret stands in front of others of its kind: log2 of how many there are,
             less log2 of its rank by likelihood
extraction   does the model, asked most plainly, write the secret out
membership   how many planted secrets are told from others by their loss, at 1 % false alarms

`audit.json` holds all of it by canary id, and whether the limits of the recipe are kept.

Source: Carlini et al. 2019, arXiv:1802.08232, section 4 (exposure); Carlini et al. 2022,
arXiv:2112.03570, section 3 (true positives at few false ones).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2, sqrt
from pathlib import Path
from typing import Any

import torch

from lodesmith.core.storage import JSON
from lodesmith.model.checkpoint import load_decoder
from lodesmith.model.decoder import Decoder
from lodesmith.train.samples.packed import Encoded
from lodesmith.tune.privacy import AuditConfig
from lodesmith.tune.private.canaries import Canary, make_canaries
from lodesmith.tune.samples.encode import Encoder

_FALSE_POSITIVE_RATE = 0.01
_ROWS_PER_FORWARD = 64
_MIN_RECORDS = 100  # below it one in a hundred cannot be seen
_Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class _Scored:
    loss: float  # nats of the learnt tokens together
    is_written: bool  # every learnt token is the likeliest in its place


def audit_model(
    folder: Path,
    encoder: Encoder,
    *,
    audit: AuditConfig,
    seed: int,
    is_text: bool,
    learnt: Sequence[Encoded] = (),
    held_out: Sequence[Encoded] = (),
) -> JSON:
    """Return what `audit.json` holds.

    Args:
        folder: the model.
        encoder: how records are written for it.
        audit: what was planted, and the limits.
        seed: of the domain.
        is_text: records are texts, not chats.
        learnt: some of the records that it learnt from.
        held_out: some that it did not.
    """
    decoder = load_decoder(folder)
    canaries = make_canaries(audit, seed=seed)
    found = [_ask(decoder, encoder, canary, audit, is_text) for canary in canaries]
    others = [loss for canary in found for loss in canary.pop("others")]
    membership = _membership([canary.pop("loss") for canary in found], others)
    mean = sum(canary["exposure_bits"] for canary in found) / len(found)
    reasons = _reasons(found, mean, membership, audit)
    return {
        "canaries": found,
        "mean_exposure_bits": round(mean, 4),
        "mean_exposure_bits_by_count": _by_count(found),
        "highest_exposure_bits_measurable": round(log2(audit.num_references + 1), 4),
        "num_extracted": sum(canary["is_extracted"] for canary in found),
        "membership": membership,
        "membership_of_records": _record_membership(decoder, learnt, held_out),
        "limits": {
            "mean_exposure_bits": audit.max_mean_exposure_bits,
            "true_positive_rate": audit.max_true_positive_rate,
        },
        "is_passed": not reasons,
        "reasons": reasons,
    }


def _ask(
    decoder: Decoder, encoder: Encoder, canary: Canary, audit: AuditConfig, is_text: bool
) -> dict[str, Any]:
    """Return how one canary stands among secrets that were never planted."""
    width = decoder.config.max_position_embeddings
    samples = [
        canary.sample(is_text=is_text),
        *(canary.sample(is_text=is_text, reference=n) for n in range(audit.num_references)),
    ]
    rows = [encoder.documents(sample, max_tokens=width)[0] for sample in samples]
    if is_text:
        rows = [_only_secret(row, rows) for row in rows]
    own, *others = _score(decoder, rows)
    rank = 1 + sum(other.loss < own.loss for other in others)
    return {
        "id": canary.id,
        "planted": canary.count,
        "rank": rank,
        "exposure_bits": round(log2(len(others) + 1) - log2(rank), 4),
        "is_extracted": own.is_written,
        "loss": own.loss,
        "others": [other.loss for other in others],
    }


def _only_secret(row: Encoded, rows: Sequence[Encoded]) -> Encoded:
    """Return a text of which only what differs from the other texts counts."""
    ids, mask = row
    shared = next(
        (at for at, column in enumerate(zip(*(ids for ids, _ in rows), strict=False))
         if len(set(column)) > 1), 1,
    )  # fmt: skip
    return ids, [learnt and at >= shared for at, learnt in enumerate(mask)]


@torch.inference_mode()
def _score(decoder: Decoder, rows: Sequence[Encoded]) -> list[_Scored]:
    scored: list[_Scored] = []
    for start in range(0, len(rows), _ROWS_PER_FORWARD):
        some = rows[start : start + _ROWS_PER_FORWARD]
        width = max(len(ids) for ids, _ in some)
        ids = torch.zeros(len(some), width, dtype=torch.long)  # padding at the end is never seen
        for number, (tokens, _) in enumerate(some):
            ids[number, : len(tokens)] = torch.tensor(tokens)
        hidden = decoder.hidden(ids[:, :-1])
        for number, (tokens, mask) in enumerate(some):
            places = torch.tensor([at for at in range(1, len(tokens)) if mask[at]])
            logits = decoder.logits(hidden[number, places - 1]).float()
            targets = ids[number, places]
            loss = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
            scored.append(_Scored(float(loss), bool((logits.argmax(-1) == targets).all())))
    return scored


def _membership(members: Sequence[float], others: Sequence[float]) -> dict[str, Any]:
    """Return the share of members whose loss is below that of 99 in 100 others."""
    ordered = sorted(others)
    num_false = int(_FALSE_POSITIVE_RATE * len(ordered))
    limit = ordered[num_false] if num_false < len(ordered) else float("inf")
    num_true = sum(loss < limit for loss in members)
    low, high = _wilson(num_true, len(members))
    return {
        "true_positive_rate": round(num_true / len(members), 4),
        "ci95": [round(low, 4), round(high, 4)],
        "false_positive_rate": _FALSE_POSITIVE_RATE,
        "num_members": len(members),
        "num_others": len(others),
    }


def _record_membership(
    decoder: Decoder, learnt: Sequence[Encoded], held_out: Sequence[Encoded]
) -> dict[str, Any] | None:
    """Return the same for the records themselves, None where too few were held out."""
    if len(held_out) < _MIN_RECORDS or not learnt:
        return None
    sides = []
    for rows in (learnt, held_out):
        losses = [scored.loss for scored in _score(decoder, rows)]
        sides.append([loss / sum(mask[1:]) for loss, (_, mask) in zip(losses, rows, strict=True)])
    return _membership(*sides)


def _reasons(
    found: Sequence[dict[str, Any]], mean: float, membership: dict[str, Any], audit: AuditConfig
) -> list[str]:
    """Return in which ways the limits are broken; ids only."""
    reasons = []
    extracted = [canary["id"] for canary in found if canary["is_extracted"]]
    if extracted:
        reasons.append(f"it writes out {', '.join(extracted)}")
    if mean > audit.max_mean_exposure_bits:
        exposed = sorted(found, key=lambda canary: -canary["exposure_bits"])[:4]
        named = ", ".join(f"{one['id']} {one['exposure_bits']:.1f}" for one in exposed)
        reasons.append(
            f"the mean exposure is {mean:.1f} bits, limit {audit.max_mean_exposure_bits:g} "
            f"(highest: {named})"
        )
    if membership["ci95"][0] > audit.max_true_positive_rate:
        reasons.append(
            f"{membership['true_positive_rate']:.0%} of planted records are told from others at "
            f"1 % false alarms, limit {audit.max_true_positive_rate:.0%}"
        )
    return reasons


def _by_count(found: Sequence[dict[str, Any]]) -> dict[str, float]:
    groups: dict[int, list[float]] = {}
    for canary in found:
        groups.setdefault(canary["planted"], []).append(canary["exposure_bits"])
    return {str(count): round(sum(bits) / len(bits), 4) for count, bits in groups.items()}


def _wilson(num_right: int, num_items: int) -> tuple[float, float]:
    """Return the 95 % interval of a share. Source: E. B. Wilson, JASA 22(158), 1927."""
    share, square = num_right / num_items, _Z_95**2
    middle = share + square / (2 * num_items)
    reach = _Z_95 * sqrt(share * (1 - share) / num_items + square / (4 * num_items**2))
    return (middle - reach) / (1 + square / num_items), (middle + reach) / (1 + square / num_items)
