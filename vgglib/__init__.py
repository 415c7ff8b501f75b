"""vgglib: VGG in PyTorch, as the VGG book builds it chapter by chapter.

=========================  =========================================================================
chapter                    modules
=========================  =========================================================================
Architecture               ``descriptors``, ``architecture``, ``configurations``, ``weights``,
                           ``tracing``, ``drawing``
Preprocessing              ``data``, ``folders``, ``shapes``, ``statistics``, ``transforms``
PCA augmentation           ``statistics``, ``transforms``
Training                   ``recipes``, ``optimization``, ``evaluation``, ``training``,
                           ``trained``, ``predict``
Going deeper               ``transfer``, ``experiments``
Results                    ``records``, ``published``
Ten years later            ``recipes``, ``optimization``
Testing like the paper     ``protocols``, ``miniature``, ``imagenet``
Looking inside             ``inspection``
=========================  =========================================================================

``machine`` has what no chapter shows: devices, processes that train together, files, checkpoints.
``checks`` refuses settings where they are written, ``figures`` and ``colors`` draw for the pages.
The command ``python -m vgglib`` trains, ``python -m vgglib.predict`` names a photo by what was
trained, ``python -m vgglib.imagenet`` tests at full size.
"""

from vgglib.architecture import VGG, StackedConv2d, StackedLinear, initialize
from vgglib.configurations import CONFIGURATIONS, vgg
from vgglib.data import Split, load_data
from vgglib.descriptors import ConvDescriptor, LinearDescriptor
from vgglib.evaluation import confusion_matrix, evaluate, top_k_accuracy, top_k_error
from vgglib.experiments import (
    make_network,
    make_transforms,
    package_version,
    run_experiment,
    run_series,
    training_pflop,
)
from vgglib.machine.devices import choose_device, choose_precision
from vgglib.recipes import ABLATION, NETWORKS, RECIPES, TRAINING_SCALES, Recipe, deeper
from vgglib.records import book_results, read_records
from vgglib.statistics import PCA, StreamingStatistics, channel_statistics
from vgglib.tracing import trace
from vgglib.trained import load_trained
from vgglib.training import train, train_epoch
from vgglib.transfer import match_layers, transfer_weights
from vgglib.transforms import (
    PCAColorShift,
    RandomCutout,
    RandomHorizontalFlip,
    RandomScaleCrop,
    RandomTranslation,
    SubtractMean,
)
from vgglib.weights import load_torchvision, to_torchvision

__all__ = [
    "ABLATION",
    "CONFIGURATIONS",
    "NETWORKS",
    "PCA",
    "RECIPES",
    "TRAINING_SCALES",
    "VGG",
    "ConvDescriptor",
    "LinearDescriptor",
    "PCAColorShift",
    "RandomCutout",
    "RandomHorizontalFlip",
    "RandomScaleCrop",
    "RandomTranslation",
    "Recipe",
    "Split",
    "StackedConv2d",
    "StackedLinear",
    "StreamingStatistics",
    "SubtractMean",
    "book_results",
    "channel_statistics",
    "choose_device",
    "choose_precision",
    "confusion_matrix",
    "deeper",
    "evaluate",
    "initialize",
    "load_data",
    "load_torchvision",
    "load_trained",
    "make_network",
    "make_transforms",
    "match_layers",
    "read_records",
    "run_experiment",
    "run_series",
    "to_torchvision",
    "top_k_accuracy",
    "top_k_error",
    "trace",
    "train",
    "train_epoch",
    "training_pflop",
    "transfer_weights",
    "vgg",
]
__version__ = package_version()
