"""Where and in which precision to compute: chosen for the machine, or as given."""

from __future__ import annotations

import ctypes
import sys

import torch

from vgglib.checks import check_choice

PRECISIONS = ("float32", "bfloat16", "float16")


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """The given device, or the best there is: CUDA, then Apple's MPS, then the CPU.

    Args:
        device: such as ``"cuda"``, ``"cuda:1"``, ``"mps"``, ``"cpu"``; ``None`` or ``"auto"``
            chooses.

    Raises:
        ValueError: there is no such device here.
    """
    if device is None or device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"unknown device {device!r}: expected auto, cuda, mps or cpu") from None
    count = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }.get(chosen.type, 0)
    if (chosen.index or 0) >= count:
        raise ValueError(
            f"device {str(device)!r} is not available here: choose 'auto' or 'cpu', or, in Colab,"
            " a runtime with a GPU (menu Runtime, Change runtime type)"
        )
    return chosen


def device_name(device: torch.device) -> str:
    """The device in words, for records: the GPU's name, or the CPU's instructions and threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        capability = torch.backends.cpu.get_cpu_capability()
        return f"CPU ({capability}, {torch.get_num_threads()} threads)"
    return device.type


def choose_precision(device: torch.device, precision: str = "auto") -> str:
    """The given precision, or the fastest that trains well on the device.

    bfloat16 where the hardware has it. float16 (with gradient scaling, see
    :func:`vgglib.training.train`) on GPUs older than Ampere, such as Colab's T4. Otherwise float32:
    a CPU without bfloat16 instructions imitates them, many times slower.

    Args:
        device: where to compute.
        precision: ``"auto"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``.

    Raises:
        ValueError: an unknown precision, or float16 on the CPU, where it is slow and overflows.
    """
    if precision == "auto":
        if device.type == "cuda":
            # Compute capability 8.0 is Ampere. torch.cuda.is_bf16_supported() counts imitation.
            major, _ = torch.cuda.get_device_capability(device)
            return "bfloat16" if major >= 8 else "float16"
        if device.type == "cpu" and _cpu_has_bfloat16():
            return "bfloat16"
        return "float32"
    check_choice("precision", precision, ("auto", *PRECISIONS))
    if precision == "float16" and device.type == "cpu":
        raise ValueError("float16 is for GPUs: on the CPU choose auto, float32 or bfloat16")
    return precision


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context in which the model computes in ``precision``; weights stay float32.

    Raises:
        ValueError: an unknown precision.
    """
    if precision == "auto":
        precision = choose_precision(device)
    check_choice("precision", precision, PRECISIONS)
    dtype = torch.float16 if precision == "float16" else torch.bfloat16
    return torch.autocast(device.type, dtype=dtype, enabled=precision != "float32")


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, to use it again; nothing but on Linux.

    glibc hands large blocks back to the system at once and asks for them anew, and the system fills
    each page with zeros before it gives it out. In a training on the CPU, which needs blocks of the
    same sizes in each step, that takes up to a quarter of the time.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not in every C library
    if mallopt:
        m_trim_threshold, m_mmap_max = -1, -4
        mallopt(m_mmap_max, 0)  # large blocks come from the heap, ...
        mallopt(m_trim_threshold, -1)  # ... which never shrinks


def _cpu_has_bfloat16() -> bool:
    # Older releases of torch cannot tell; float32 is right on any CPU.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
