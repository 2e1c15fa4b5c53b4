"""The one training loop, for every task."""
from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from .. import PlaneSSLError
from ..events import Report, notice, silent
from .memory import free_cached_memory, training_format, while_memory_lasts
from .muon import Muon
from .networks import Network
from .processes import Processes
from .run import Run
from .settings import STEPS_PER_EPOCH, Settings
from .tasks import Batch, Task

STEPS_PER_NEWS = 10
KERNEL_RATE = 20.0  # of the learning rate is the rate of Muon, whose steps have another length than AdamW's


@dataclass(frozen=True)
class Stage:
    """One stage of the training schedule: all steps before `end`, at one image resolution.

    samples: a data set whose sample n depends on n alone. frames: the validation frames, empty for none. cost: how long
    a step takes beside one of another stage, roughly, for the time that is left.
    """

    end: int
    task: Task
    samples: Dataset
    frames: Dataset
    cost: float = 1.0


class Engine:
    """Trains a network on a task, keeps its run, and can go on where a killed process stopped.

    The weights kept are the best of the last stage, and the last ones where nothing validates. On the CPU, with the
    same number of processes, an interrupted and resumed training ends with the very bits of an uninterrupted one.
    """

    def __init__(
        self, network: Network, stages: Sequence[Stage], settings: Settings, run: Run,
        device: torch.device, processes: Processes = Processes(), report: Report = silent,
    ) -> None:
        self.stages, self.settings, self.run = stages, settings, run
        self.device, self.processes, self.report = device, processes, report
        self.network = network.to(device, memory_format=training_format(device))
        self.ema = copy.deepcopy(self.network).requires_grad_(False) if settings.ema else None
        self.optimizers = optimizers_of(network, settings)
        self.mixed = settings.mixed(device)
        self.step, self.micro_batches = 0, 1  # micro_batches: into how many parts a batch is cut for want of memory
        self.validated_at_once = settings.batch
        self.best: float | None = None
        self.kept = 0  # the epoch of the weights that are kept
        self.since_best = 0
        self.history: list[dict] = []

    def train(self) -> tuple[dict, dict]:
        """Run to the end, or from the run's checkpoint to the end; returns the last row of metrics, and of the kept
        weights the row of theirs.
        """
        self._restore()
        self.started, self.first_step = time.monotonic(), self.step
        saved, saving = self.started, 0.0
        losses: dict[str, list[float]] = {}
        for stage, batch in self._batches():
            for name, value in self._take_step(stage.task, batch).items():
                losses.setdefault(name, []).append(value)
            self.step += 1
            if self.step % STEPS_PER_EPOCH:
                if self.step % STEPS_PER_NEWS == 0 and self.processes.first:
                    self.report(self._progress({}))
                continue
            stop = self._end_epoch(stage, {f"loss_{name}": float(np.mean(values)) for name, values in losses.items()})
            losses = {}
            # Checkpoints may cost a twentieth of the time: often for small networks, seldom for large ones. But weights
            # that are kept have their figures beside them: a GPU does not find the very same ones again.
            kept = self.kept * STEPS_PER_EPOCH == self.step
            if stop or kept or time.monotonic() - saved > 20 * saving:
                before = time.monotonic()
                self._save()
                saved = time.monotonic()
                saving = saved - before
            if stop:
                break
        self.processes.wait()
        last = self.history[-1]
        return last, next((row for row in self.history if row["epoch"] == self.kept), last)

    def _end_epoch(self, stage: Stage, losses: dict[str, float]) -> bool:
        """Validate when it is time, and tell; returns whether this epoch was the last."""
        row = {"epoch": self.step // STEPS_PER_EPOCH, **losses}
        last = self.step == self.settings.steps
        if row["epoch"] % self.settings.validate_every == 0 or last:
            row.update(self._validate(stage))
        self.history.append(row)
        self._tell(self._progress({name: value for name, value in row.items() if name != "epoch"}))
        if stage is not self.stages[-1]:
            if self.step == stage.end:  # the figures of another resolution do not compare with what comes
                self.best, self.since_best = None, 0
            return False
        return last or (self.settings.patience is not None and self._stalled() >= self.settings.patience)

    def _progress(self, metrics: dict[str, float]) -> dict:
        pace = (time.monotonic() - self.started) / self._cost(self.first_step, self.step)
        return {"event": "progress", "task": self.run.config["task"], "step": self.step, "of": self.settings.steps,
                "eta_s": round(pace * self._cost(self.step, self.settings.steps), 1), "metrics": metrics}

    def _cost(self, first: int, end: int) -> float:
        """Of the steps from the first to the end (not included), in steps of cost 1."""
        starts = [0, *(stage.end for stage in self.stages[:-1])]
        return sum(stage.cost * max(0, min(end, stage.end) - max(first, start))
                   for start, stage in zip(starts, self.stages, strict=True))

    def _batches(self) -> Iterator[tuple[Stage, Batch]]:
        """Every step's stage and share of its global batch, from the current step to the last."""
        share = self.processes.share(self.settings.batch)
        for stage in self.stages:
            order = [step * self.settings.batch + i for step in range(self.step, stage.end) for i in share]
            loader = DataLoader(
                stage.samples, batch_size=len(share), sampler=order, num_workers=self.settings.workers,
                pin_memory=self.device.type == "cuda", persistent_workers=False)
            yield from ((stage, batch) for batch in loader)

    def _take_step(self, task: Task, batch: Batch) -> dict[str, float]:
        """One optimiser step; out of memory halves the pieces the batch is worked in, and goes on."""
        settings = self.settings
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * settings.rate(self.step) * group["scale"]
        counts = {name: count.to(self.device, torch.float32) for name, count in task.counts(batch).items()}
        self.processes.add(*counts.values())
        self.network.train()
        sums = while_memory_lasts(lambda: self._backward(task, batch, counts),
                                  lambda: self._cut_smaller(len(batch["image"])))
        self.processes.add_gradients(self.network.parameters())
        self.processes.add(*sums.values())
        losses = {name: float(sums[name] / counts[name].clamp(min=1)) for name in sums}
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        if not all(map(math.isfinite, losses.values())) or not torch.isfinite(norm):
            raise PlaneSSLError(
                f"The loss is no longer a number at step {self.step} ({losses}). The last checkpoint is intact; "
                "look at the cohort's images, or train with a lower --learning-rate.")
        for optimizer in self.optimizers:
            optimizer.step()
        if self.ema is not None:
            decay = min(settings.ema, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                for kept, new in zip(self.ema.state_dict().values(), self.network.state_dict().values(), strict=True):
                    kept.lerp_(new, 1 - decay) if kept.is_floating_point() else kept.copy_(new)
        return losses

    def _backward(self, task: Task, batch: Batch, counts: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Gradients of the weighted losses; each loss is its sum over this process divided by the global count."""
        self.network.zero_grad(set_to_none=True)
        totals = {name: torch.zeros((), device=self.device) for name in counts}
        size = -(-len(batch["image"]) // self.micro_batches)
        for start in range(0, len(batch["image"]), size):
            # In float64 is what validation measures by, which losses do not read, and Apple's GPUs cannot hold. These
            # also read what is freed meanwhile where nobody waits for a copy (pytorch#139550).
            piece = {name: values[start: start + size].to(self.device, non_blocking=self.device.type == "cuda")
                     for name, values in batch.items() if values.dtype != torch.float64}
            with torch.autocast(self.device.type, torch.bfloat16) if self.mixed else contextlib.nullcontext():
                outputs = self.network(piece["image"])
            sums = task.sums(outputs, piece)
            loss = sum(task.weights[name] * sums[name] / counts[name].clamp(min=1) for name in sums)
            loss.backward()
            for name, value in sums.items():
                totals[name] += value.detach()
        return totals

    def _cut_smaller(self, images: int) -> None:
        """Work the batch in twice as many pieces from now on; PlaneSSLError if it is in single images already."""
        if not self.network.divisible:
            raise PlaneSSLError(f"A batch of {images} studies does not fit into the memory of {self.device}, and a "
                                "classification batch cannot be split, since its normalisation uses all of it: give "
                                "fewer (--batch, at least 2), or --device cpu.")
        if self.micro_batches >= images:
            raise self._not_even_one()
        self.network.zero_grad(set_to_none=True)
        free_cached_memory()
        self.micro_batches *= 2
        notice(self._tell, f"Out of memory on {self.device}: going on with the batch in {self.micro_batches} pieces, "
                           "whose gradients are added up.")

    def _not_even_one(self) -> PlaneSSLError:
        return PlaneSSLError(f"The memory of {self.device} does not hold a single image of this network. Choose a "
                             "smaller network (--network small), or --device cpu.")

    @torch.no_grad()
    def _validate(self, stage: Stage) -> dict[str, float]:
        """Metrics over the validation frames; the better weights are kept, the last ones where nothing is validated."""
        if not self.processes.first:
            return {}
        network = (self.ema if self.ema is not None else self.network).eval()
        row = {}
        for name, found in self._measured(stage, network).items():
            if found:
                row |= {name: float(np.mean(found)), f"{name}_median": float(np.median(found))}
        metric, more_is_better = stage.task.best
        now = row.get(metric)
        better = now is None or self.best is None or (now > self.best if more_is_better else now < self.best)
        self.since_best = 0 if better else self.since_best + 1
        if better:
            self.best, self.kept = now, self.step // STEPS_PER_EPOCH
            self.run.save_weights({name: tensor.cpu() for name, tensor in network.state_dict().items()})
        return row

    def _measured(self, stage: Stage, network: Network) -> dict[str, list[float]]:
        """What the task measures of the validation frames, looked at in as small batches as memory asks for."""
        self.validated_at_once = min(self.validated_at_once, -(-self.settings.batch // self.micro_batches))
        return while_memory_lasts(lambda: self._measured_at_once(stage, network), self._validate_fewer_at_once)

    def _validate_fewer_at_once(self) -> None:
        if self.validated_at_once == 1:
            raise self._not_even_one()
        self.validated_at_once = -(-self.validated_at_once // 2)
        free_cached_memory()

    def _measured_at_once(self, stage: Stage, network: Network) -> dict[str, list[float]]:
        values: dict[str, list[float]] = {}
        for batch in DataLoader(stage.frames, batch_size=self.validated_at_once):
            outputs = network(batch["image"].to(self.device))
            measured = stage.task.measure({name: out.float().cpu() for name, out in outputs.items()}, batch)
            for name, found in measured.items():
                values.setdefault(name, []).extend(found)
        return values

    def _save(self) -> None:
        if self.processes.first:
            self.run.write_metrics(self.history)
            self.run.save_state({
                "step": self.step, "network": self.network.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "ema": None if self.ema is None else self.ema.state_dict(), "micro_batches": self.micro_batches,
                "best": self.best, "kept": self.kept, "since_best": self.since_best, "history": self.history})

    def _restore(self) -> None:
        state = self.run.state()
        if state is None:
            return
        self.network.load_state_dict(state["network"])
        for optimizer, of_it in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(of_it)
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        self.step, self.micro_batches, self.best = state["step"], state["micro_batches"], state["best"]
        self.since_best, self.history, self.kept = state["since_best"], state["history"], state["kept"]

    def _stalled(self) -> int:
        """Validations since the best one, as the first process, which alone validates, counts them."""
        count = torch.tensor(float(self.since_best if self.processes.first else 0), device=self.device)
        self.processes.add(count)
        return int(count)

    def _tell(self, event: dict) -> None:
        if self.processes.first:
            self.run.event(event)
            self.report(event)


def optimizers_of(network: Network, settings: Settings) -> list[torch.optim.Optimizer]:
    """Muon for the body's kernels, AdamW for all else; biases and gains of normalisation do not decay."""
    groups = [{"params": _of_rank(network.body, False), "scale": 1.0, "weight_decay": 0.0}]
    for name, head in network.heads.items():
        scale = settings.pixel_head_rate if network.kinds[name].per == "pixel" else 1.0
        groups += [{"params": _of_rank(head, True), "scale": scale},
                   {"params": _of_rank(head, False), "scale": scale, "weight_decay": 0.0}]
    turned = [{"params": _of_rank(network.body, True), "scale": KERNEL_RATE}]
    return [torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay),
            Muon(turned, lr=settings.learning_rate, weight_decay=settings.weight_decay)]


def _of_rank(module: nn.Module, many: bool) -> list[nn.Parameter]:
    """A module's parameters of more dimensions than one, or the others: biases, and gains of normalisation."""
    return [parameter for parameter in module.parameters() if (parameter.ndim > 1) == many]
