"""CUDA graphs: the 1,250 kernel launches of a step recorded once per shape and replayed by one call.

Short texts are bound by launch overhead; a graph removes it. `GraphedVelocity` stands in for `DiT.velocity`: for each
shape it keeps input tensors of its own, copies the arguments into them and replays. It needs fixed shapes, so only
`Padded` layouts are graphed; others run as they are. ``record`` is what captures: `record_cuda` on a GPU. The tests
put a plain function in its place: the structure is tested without a GPU, the speed is not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from f5_serverless.f5.dit import DiT, StepModulation
from f5_serverless.f5.layout import Layout, Padded

MAX_GRAPHS = 16
"""Shapes kept; the least recently used one goes first. Each holds its activations."""

Record = Callable[[Callable[[], Tensor]], tuple[Tensor, Callable[[], None]]]
"""Takes work to record; gives the tensor that holds its result, and what runs it again into that tensor."""


@dataclass(slots=True, eq=False)
class _Recorded:
    inputs: tuple[Tensor, ...]
    output: Tensor
    replay: Callable[[], None]


class GraphedVelocity:
    """Callable like `DiT.velocity`. Not for several threads at once."""

    def __init__(self, model: DiT, record: Record, limit: int = MAX_GRAPHS) -> None:
        self.model, self.record, self.limit = model, record, limit
        self._recorded: OrderedDict[tuple[int, ...], _Recorded] = OrderedDict()

    def __call__(self, x: Tensor, fixed: Tensor, step: StepModulation, layout: Layout, rotary: Tensor) -> Tensor:
        if not isinstance(layout, Padded):
            return self.model.velocity(x, fixed, step, layout, rotary)
        arguments = (x, fixed, step.blocks, step.final, layout.valid, rotary)
        key = (*x.shape, len(fixed))
        if key not in self._recorded:
            self._recorded[key] = self._capture(arguments, layout)
            if len(self._recorded) > self.limit:
                self._recorded.popitem(last=False)
        self._recorded.move_to_end(key)
        recorded = self._recorded[key]
        for own, given in zip(recorded.inputs, arguments, strict=True):
            own.copy_(given)
        recorded.replay()
        return recorded.output.clone()

    def _capture(self, arguments: tuple[Tensor, ...], layout: Padded) -> _Recorded:
        own = tuple(argument.clone() for argument in arguments)
        x, fixed, blocks, final, valid, rotary = own
        static = Padded(layout.lengths, layout.frames, valid)
        output, replay = self.record(
            lambda: self.model.velocity(x, fixed, StepModulation(blocks, final), static, rotary)
        )
        return _Recorded(own, output, replay)


def record_cuda(work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
    """Warms ``work`` up on a side stream, as capture demands, and records it as a CUDA graph."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = work()
    return output, graph.replay
