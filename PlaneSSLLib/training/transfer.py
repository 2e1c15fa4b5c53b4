"""What a finetuning takes over from a run."""
from __future__ import annotations

from torch import nn

from .. import PlaneSSLError
from ..cohort import Cohort
from .networks import Network
from .run import Run
from .tasks.planes import Planes

TRANSFERS = ("joint", "all", "encoder")


def transfer_weights(network: Network, run: Run, transfer: str) -> dict:
    """Copy a run's encoder, or "all" of its body, and the heads that both have, into a network.

    Convolutions that a normalisation follows (those without a bias) come with the length they had before training. What
    they compute is the same, but an optimiser turns a vector that training has made three times as long only a third as
    fast (van Laarhoven 2017, arXiv:1706.05350). Returns what was taken and what is new. PlaneSSLError if the run's
    network is another one.
    """
    if transfer not in TRANSFERS:
        raise PlaneSSLError(f"What is taken over from a run is one of {', '.join(TRANSFERS)}, not '{transfer}'.")
    theirs, mine = run.config["network"], network.state_dict()
    theirs_alone = {head for head in run.config["heads"] if head not in network.kinds}
    left = (*(f"heads.{head}." for head in theirs_alone),
            *((f"body.{network.body.decoder_prefix}", "heads.") if transfer == "encoder" else ()))
    weights = {name: tensor for name, tensor in run.weights().items() if not name.startswith(left)}
    misfit = [name for name in mine if name.startswith("body.") and not name.startswith(left)
              and (name not in weights or weights[name].shape != mine[name].shape)]
    if misfit:
        raise PlaneSSLError(f"The run {run.folder} holds the network '{theirs}', which does not fit the one to be "
                            f"trained (first at {misfit[0]}); choose --network {theirs}.")
    for name, module in network.named_modules():
        weight = f"{name}.weight"
        if isinstance(module, nn.Conv2d) and module.bias is None and weight in weights:
            weights[weight] = weights[weight] * (mine[weight].norm() / weights[weight].norm())
    network.load_state_dict({**mine, **weights})
    return {"taken_over": len(weights), "new": sorted(name for name in mine if name not in weights)}


def planes_of(run: Run | None, cohort: Cohort) -> Planes | None:
    """The task of a run's lines and locations, be it all that it has learnt or not; None if it has neither."""
    names = set() if run is None else set(run.config["heads"])
    if not names & {"lines", "location"}:
        return None
    return Planes(cohort.plan, cohort.anatomy, lines="lines" in names, location="location" in names,
                  views=run.plane_views)
