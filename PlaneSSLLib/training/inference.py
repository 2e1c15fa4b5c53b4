"""A network that answers: on a device, a batch at a time, and with less memory where there is not enough."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .. import PlaneSSLError
from ..events import Report, notice, silent
from .memory import Result, free_cached_memory, is_out_of_memory, keep_freed_memory, while_memory_lasts


class Inference:
    """What segments, classifies, finds lines, and lays images by them.

    Out of memory, it goes on with smaller batches, then on the CPU, and says so in a notice to `report`; on the CPU at
    once, where another program leaves no room for the network itself.
    """

    def __init__(self, network: nn.Module, device: torch.device, batch: int = 16, report: Report = silent) -> None:
        self.batch, self.report, self.device = batch, report, device
        keep_freed_memory()
        self.network = network.eval()
        try:
            self.network.to(device, memory_format=torch.channels_last)
        except RuntimeError as error:
            if not is_out_of_memory(error) or device.type == "cpu":
                raise
            self._leave_for_cpu("There is no room for the network")

    def in_batches(self, images: Tensor, answer: Callable[[Tensor], Result]) -> list[Result]:
        """What `answer` says of (n, 1, rows, columns) images on the device, so many at a time as there is memory for.

        It must not keep anything on the device: where that is left, in the end, for the CPU, the parts lie apart.
        """
        answers, done = [], 0

        def of_next_ones() -> tuple[int, Result]:
            part = images[done: done + self.batch]
            return len(part), answer(part.to(self.device))

        while done < len(images):
            count, found = self.while_memory_lasts(of_next_ones)
            answers.append(found)
            done += count
        return answers

    @torch.inference_mode()
    def outputs(self, images: Tensor) -> dict[str, Tensor]:
        """{head: (n, ...)} in float32, on the CPU, of (n, 1, rows, columns) images on the working grid."""
        parts = self.in_batches(images, lambda part: {
            name: out.float().cpu() for name, out in self.network(part).items()})
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def while_memory_lasts(self, work: Callable[[], Result]) -> Result:
        """Do it, again and with less memory where there is not enough. PlaneSSLError where nothing less is left."""
        return while_memory_lasts(work, self._make_do_with_less)

    def _make_do_with_less(self) -> None:
        if self.batch > 1:
            self.batch //= 2
            free_cached_memory()
            notice(self.report, f"Out of memory on {self.device}: going on with {self.batch} images at a time.")
        elif self.device.type != "cpu":
            self._leave_for_cpu("Out of memory with a single image")
        else:
            raise PlaneSSLError("There is not enough memory to look at even one image at a time; close other programs.")

    def _leave_for_cpu(self, why: str) -> None:
        notice(self.report, f"{why} on {self.device}: going on on the CPU.")
        self.device = torch.device("cpu")
        self.network = self.network.to(self.device)
        free_cached_memory()
