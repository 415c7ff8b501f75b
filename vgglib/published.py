"""What others have published: the paper's Tables 3 to 6 on ImageNet, the post's table, and what is
known of CIFAR-10's test images.

All are typed in once, here; every chapter and page takes them from here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vgglib.protocols import Protocol


@dataclass(frozen=True)
class PaperResult:
    """A result of the paper on ImageNet's 50,000 validation images.

    Attributes:
        table: its number in the paper.
        models: a configuration, or those of an ensemble.
        training_scale: smallest and largest ``S``, pixels.
        protocol: how it was tested.
        top_1: error in percent.
        top_5: error in percent.
    """

    table: int
    models: tuple[str, ...]
    training_scale: tuple[int, int]
    protocol: Protocol
    top_1: float
    top_5: float


def _tables_3_to_6() -> tuple[PaperResult, ...]:
    low, high, jittered = (256, 256), (384, 384), (256, 512)
    around = {low: (224, 256, 288), high: (352, 384, 416), jittered: (256, 384, 512)}
    table_3 = {
        "A": {low: (29.6, 10.4)},
        "A-LRN": {low: (29.7, 10.5)},
        "B": {low: (28.7, 9.9)},
        "C": {low: (28.1, 9.4), high: (28.1, 9.3), jittered: (27.3, 8.8)},
        "D": {low: (27.0, 8.8), high: (26.8, 8.7), jittered: (25.6, 8.1)},
        "E": {low: (27.3, 9.0), high: (26.9, 8.7), jittered: (25.5, 8.0)},
    }
    table_4 = {
        "B": {low: (28.2, 9.6)},
        "C": {low: (27.7, 9.2), high: (27.8, 9.2), jittered: (26.3, 8.2)},
        "D": {low: (26.6, 8.6), high: (26.5, 8.6), jittered: (24.8, 7.5)},
        "E": {low: (26.9, 8.7), high: (26.7, 8.6), jittered: (24.8, 7.5)},
    }
    table_5 = {
        "D": {"dense": (24.8, 7.5), "crops": (24.6, 7.5), "both": (24.4, 7.2)},
        "E": {"dense": (24.8, 7.5), "crops": (24.6, 7.4), "both": (24.4, 7.1)},
    }
    table_6 = {"dense": (24.0, 7.1), "crops": (23.9, 7.2), "both": (23.7, 6.8)}  # D and E
    results = [
        PaperResult(table, (model,), scale, Protocol(around[scale][tested]), *errors)
        for table, cells, tested in [(3, table_3, slice(1, 2)), (4, table_4, slice(None))]
        for model, by_scale in cells.items()
        for scale, errors in by_scale.items()
    ]
    results += [
        PaperResult(5, (model,), jittered, Protocol(around[jittered], method), *errors)
        for model, by_method in table_5.items()
        for method, errors in by_method.items()
    ]
    results += [
        PaperResult(6, ("D", "E"), jittered, Protocol(around[jittered], method), *errors)
        for method, errors in table_6.items()
    ]
    return tuple(results)


#: The paper's Tables 3, 4 and 5, and the ensemble of D and E of its Table 6, its best.
PAPER_ERRORS: tuple[PaperResult, ...] = _tables_3_to_6()

#: Zhong (2024): mean color of CIFAR-10's 50,000 training images on the [0, 1] scale, red, green and
#: blue; the axes of largest variance as columns; and the variance along each.
POST_MEAN = torch.tensor([0.4914, 0.4822, 0.4465], dtype=torch.float64)
POST_AXES = torch.tensor(
    [[-0.5580, 0.7063, 0.4356], [-0.5775, 0.0464, -0.8151], [-0.5960, -0.7063, 0.3820]],
    dtype=torch.float64,
)
POST_VARIANCES = torch.tensor([0.1719, 0.0139, 0.0029], dtype=torch.float64)

#: Zhong (2024), Results: top-1 to top-5 accuracy in percent on CIFAR-10's test set, averaged with
#: the mirror images, after 200 epochs for I and 100 more for each of the others.
POST_ACCURACIES: dict[str, tuple[float, ...]] = {
    "I": (82.45, 92.74, 96.23, 97.82, 98.87),
    "II": (84.88, 93.95, 96.91, 98.23, 98.99),
    "III": (86.93, 94.39, 96.83, 98.15, 98.90),
}

#: Top-1 accuracy in percent on CIFAR-10's test set, and computation of the training in PFLOP, of
#: others' trainings, as the README of github.com/KellerJordan/cifar10-airbench gives them. The
#: networks of the first three are plain stacks of convolutions, the fourth has shortcuts past some
#: layers; all learn from all 50,000 images.
PUBLIC_TRAININGS: dict[str, tuple[float, float]] = {
    "airbench94_muon": (94.01, 0.29),
    "airbench94": (94.01, 0.36),
    "airbench95": (95.01, 1.4),
    "airbench96_faster": (96.00, 3.1),
    "ResNet-18": (96.0, 32.3),
}

#: Test images of CIFAR-10 whose label fewer than three of five people chose, by their number in
#: the published order: the class that three or more chose in place of it, or ``None``. (They chose
#: between the label, a network's class, both and neither.) From Northcutt et al. (2021),
#: "Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks", file
#: ``mturk/cifar10_mturk.json`` of github.com/cleanlab/label-errors (Apache License 2.0): those
#: with fewer than three votes for the given label alone. The 275 images that people were shown had
#: been picked by a network that doubted their labels.
CIFAR10_LABEL_ERRORS: dict[int, int | None] = {
    1227: 5, 1718: 8, 2405: 6, 2592: 4, 2804: 5, 4794: 2, 5191: 5, 5468: 3, 5632: 5,
    5690: 4, 5960: 3, 6877: 8, 6966: 8, 7657: 7, 7846: 3, 8058: 7, 9227: 9, 9352: 9,
    **dict.fromkeys([
        165, 792, 882, 1300, 1684, 1969, 2010, 2128, 2232, 2532, 2840, 2940, 3113, 3168, 3183,
        3192, 3490, 3600, 3753, 3977, 4055, 4198, 4614, 4643, 4910, 4965, 5166, 5211, 5882,
        6522, 6792, 7311, 8296, 8620, 9643, 9793,
    ]),
}  # fmt: skip

#: Test images of CIFAR-10 that show what a training image shows (249), or something very like it
#: (37), by their number in the published order. From Barz & Denzler (2020), "Do We Train on Test
#: Data? Purging CIFAR of Near-Duplicates", file ``meta/duplicates_cifar10.csv`` of
#: github.com/cvjena/cifair. The list is not whole.
CIFAR10_NEAR_DUPLICATES: tuple[int, ...] = (
    31, 40, 102, 104, 131, 136, 149, 159, 235, 374, 390, 481, 506, 516, 535, 546, 560, 575,
    576, 594, 627, 654, 656, 673, 779, 803, 814, 856, 892, 896, 902, 951, 983, 985, 992,
    1038, 1071, 1103, 1289, 1313, 1327, 1335, 1340, 1365, 1423, 1449, 1562, 1565, 1575,
    1579, 1608, 1652, 1712, 1777, 1781, 1857, 1872, 1920, 1962, 1974, 1987, 2019, 2057,
    2093, 2146, 2148, 2208, 2228, 2266, 2326, 2369, 2376, 2545, 2595, 2631, 2659, 2678,
    2728, 2786, 2801, 2820, 2826, 2830, 2863, 2865, 2901, 2911, 2929, 2967, 3007, 3057,
    3119, 3170, 3197, 3243, 3293, 3322, 3389, 3396, 3428, 3445, 3462, 3486, 3488, 3520,
    3530, 3547, 3553, 3563, 3565, 3641, 3663, 3664, 3697, 3745, 3763, 3768, 3784, 3794,
    3861, 3889, 3931, 3933, 3991, 4039, 4042, 4043, 4091, 4102, 4105, 4117, 4153, 4236,
    4297, 4322, 4328, 4332, 4362, 4390, 4406, 4424, 4430, 4460, 4603, 4645, 4671, 4801,
    4809, 4868, 4886, 4891, 4953, 4989, 4992, 5026, 5036, 5038, 5111, 5132, 5164, 5174,
    5178, 5201, 5243, 5368, 5382, 5383, 5394, 5423, 5429, 5585, 5604, 5606, 5615, 5647,
    5800, 5843, 5863, 5873, 5971, 5976, 6003, 6009, 6080, 6119, 6252, 6314, 6336, 6350,
    6362, 6372, 6392, 6413, 6435, 6483, 6503, 6528, 6563, 6583, 6611, 6668, 6676, 6701,
    6864, 6880, 6885, 6893, 6921, 7029, 7052, 7053, 7066, 7075, 7079, 7108, 7185, 7225,
    7239, 7264, 7293, 7294, 7315, 7326, 7417, 7570, 7577, 7604, 7616, 7631, 7652, 7678,
    7715, 7776, 7799, 7825, 7925, 8031, 8080, 8132, 8253, 8293, 8299, 8356, 8445, 8485,
    8519, 8523, 8630, 8675, 8730, 8734, 8754, 8791, 8795, 8802, 8854, 8894, 8895, 9094,
    9112, 9126, 9183, 9196, 9245, 9297, 9340, 9350, 9372, 9408, 9413, 9416, 9496, 9530,
    9577, 9610, 9632, 9650, 9653, 9677, 9703, 9738, 9788, 9852, 9896, 9936, 9951,
)  # fmt: skip
