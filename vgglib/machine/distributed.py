"""More than one device: a process for each, started by ``torchrun`` or a job controller.

The processes hold the same weights. Of every batch each takes its part, and before each step the
gradients are averaged over the processes (PyTorch's ``DistributedDataParallel``), so that the batch
of a recipe is the batch of them all. A process that was started by itself is alone, and every
function here then does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

# What a process must know to meet the others; ``torchrun`` tells it, and others can.
_TOLD = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")

# Where Slurm's srun, Open MPI and other launchers say how many processes they started.
_LAUNCHERS = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")


@contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Meet the other processes that were started with this one; part from them at the end.

    Over NCCL on GPUs and over gloo on CPUs.

    Args:
        device: kind of device that was asked for; of several GPUs each process gets its own.

    Yields:
        The device of this process.

    Raises:
        ValueError: several processes were started that are not told how to meet, there are more of
            them on this machine than GPUs, or the device can only be used by one process.
    """
    if not _has_others():
        yield device
        return
    if device.type == "cuda":
        number, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if gpus == 1 and "LOCAL_WORLD_SIZE" not in os.environ:
            number = 0  # a job controller may show each process nothing but its own
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", number + 1))
        if processes > gpus:
            raise ValueError(
                f"{processes} processes on this machine find {gpus} GPUs: start as many processes"
                f" as there are GPUs (torchrun --nproc-per-node={gpus})"
            )
        device = torch.device("cuda", number)
        torch.cuda.set_device(device)
    elif device.type != "cpu":
        raise ValueError(f"{device.type} serves one process: start without torchrun, or on the CPU")
    # Long enough for process 0 to download the data, or to evaluate, while the others wait.
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=timedelta(hours=1))
    yield device
    # Not after an error: it would wait for processes that have ended.
    dist.destroy_process_group()


def _has_others() -> bool:
    """Whether this process is one of several, which know how to meet."""
    if os.environ.get("WORLD_SIZE") == "1":
        return False
    counts = {name: os.environ.get(name, "1") for name in ("WORLD_SIZE", *_LAUNCHERS)}
    several = [f"{name} is {count}" for name, count in counts.items() if count != "1"]
    if not several:
        return False
    missing = [name for name in _TOLD if name not in os.environ]
    if missing:
        raise ValueError(
            f"{several[0]}, but there is no {', '.join(missing)}: each process would train"
            " everything, and write the same files. Start them by torchrun, or set"
            f" {', '.join(_TOLD)} for each"
        )
    return True


def check_met() -> None:
    """Refuse a training of which several processes were started that have not met.

    Raises:
        ValueError: each would train everything.
    """
    if not dist.is_initialized() and _has_others():
        raise ValueError(
            "several processes were started, and each would train everything: put the training into"
            " vgglib.machine.distributed.process_group(device), or start a single process"
        )


def world_size() -> int:
    """How many processes train together; 1 for a process that is alone."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0. Process 0 alone draws orders, evaluates and writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def from_first(compute: Callable[[], Any]) -> Any:
    """What ``compute`` gives in process 0, in all of them; the others wait and do not call it.

    If it raises an error there, all processes raise :class:`InAllProcesses`.
    """
    if world_size() == 1:
        return compute()
    result: list[Any] = [None, None]
    if rank() == 0:
        try:
            result[0] = compute()
        except Exception as error:  # the others must not wait for a result that never comes
            result[1] = error
    dist.broadcast_object_list(result, src=0)
    if result[1] is not None:
        raise_in_all(result[1])
    return result[0]


class InAllProcesses(Exception):
    """An error that all processes have; the one before it in the chain says what is wrong."""


def raise_in_all(error: BaseException) -> NoReturn:
    """Raise an error that the other processes raise too; alone, the error itself."""
    if world_size() == 1:
        raise error
    raise InAllProcesses(str(error)) from error


def from_all(value: Any) -> list[Any]:
    """The values of all processes, in the order of their numbers."""
    values = [value] * world_size()
    if world_size() > 1:
        dist.all_gather_object(values, value)
    return values


def is_told_here(error: BaseException) -> bool:
    """Whether this process tells of an error: an error that all have is told by one of them."""
    if world_size() == 1:  # not met yet, or alone: those of a machine fail alike
        return os.environ.get("LOCAL_RANK", "0") == "0"
    return rank() == 0 or not isinstance(error, InAllProcesses)


def is_first() -> bool:
    """Whether this process is the one that prints."""
    return rank() == 0 and (world_size() > 1 or os.environ.get("LOCAL_RANK", "0") == "0")


def device_names(own: str) -> str:
    """The devices of all processes in words, such as ``"2 x NVIDIA A100"``; alone, its own."""
    names = from_all(own)
    counts = {name: names.count(name) for name in names}
    return " + ".join(name if count == 1 else f"{count} x {name}" for name, count in counts.items())


def part_of(batch: Tensor) -> tuple[Tensor, float]:
    """This process's part of a batch, and by how much to weight the mean loss of that part.

    With these weights the average over the processes is the mean over the batch, also where the
    parts are not equally long. Where there are fewer images than processes, those without a part
    take the first image, with weight 0.

    Args:
        batch: positions of the images of the whole batch, shape (N,).

    Returns:
        The positions of the part, and its weight: 1 where all parts are equal.
    """
    processes = world_size()
    part = batch[rank() :: processes]
    weight = len(part) * processes / len(batch)
    return (part if len(part) else batch[:1]), weight


def mean(tensor: Tensor) -> Tensor:
    """Average of a tensor over the processes."""
    if world_size() == 1:
        return tensor
    total = tensor.clone()
    dist.all_reduce(total)
    return total / world_size()


def replicate(model: nn.Module) -> nn.Module:
    """The model such that its gradients are averaged over the processes; alone, itself.

    On GPUs batch normalization then takes its statistics from the whole batch: its layers are
    exchanged in the model itself. On CPUs PyTorch has no such layer, and each process normalizes
    its own part.
    """
    if world_size() == 1:
        return model
    device = next(model.parameters()).device
    if device.type == "cpu":
        return DistributedDataParallel(model)
    # In place: the layers are exchanged, their weights stay the model's.
    model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return DistributedDataParallel(model, device_ids=[device])
