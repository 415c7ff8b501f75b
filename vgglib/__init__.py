"""vgglib: VGG in PyTorch, as the VGG book builds it chapter by chapter.

The modules in the order of the chapters: ``architecture`` and ``trace``; ``data``, ``shapes``,
``statistics`` and ``transforms``; ``evaluation``, ``devices``, ``recipe``, ``optimization``,
``training`` and ``checkpoints``; ``transfer``; ``experiments`` and ``records``; ``distributed``.
The command ``python -m vgglib`` trains. ``figures`` draws for the notebooks and is imported by them
alone.
"""

from vgglib.architecture import (
    CONFIGURATIONS,
    VGG,
    ConvDescriptor,
    LinearDescriptor,
    StackedConv2d,
    StackedLinear,
    initialize,
    load_torchvision,
    to_torchvision,
    vgg,
)
from vgglib.data import Data, Split, load_data, read_folder_images
from vgglib.devices import choose_device, choose_precision
from vgglib.evaluation import (
    Evaluation,
    confusion_matrix,
    evaluate,
    predict,
    top_k_accuracy,
    top_k_error,
)
from vgglib.experiments import (
    ABLATION,
    MODELS,
    RECIPES,
    Experiment,
    deeper,
    make_network,
    make_transforms,
    package_version,
    run_experiment,
    training_pflop,
)
from vgglib.recipe import Recipe
from vgglib.records import published_folder, read_records, write_record
from vgglib.statistics import PCA, ChannelStatistics, StreamingStatistics, channel_statistics
from vgglib.trace import Trace, trace
from vgglib.training import Training, train, train_epoch
from vgglib.transfer import Transfer, match_layers, transfer_weights
from vgglib.transforms import (
    PCAColorShift,
    RandomHorizontalFlip,
    RandomTranslation,
    SubtractMean,
)

__all__ = [
    "ABLATION",
    "CONFIGURATIONS",
    "MODELS",
    "PCA",
    "RECIPES",
    "VGG",
    "ChannelStatistics",
    "ConvDescriptor",
    "Data",
    "Evaluation",
    "Experiment",
    "LinearDescriptor",
    "PCAColorShift",
    "RandomHorizontalFlip",
    "RandomTranslation",
    "Recipe",
    "Split",
    "StackedConv2d",
    "StackedLinear",
    "StreamingStatistics",
    "SubtractMean",
    "Trace",
    "Training",
    "Transfer",
    "channel_statistics",
    "choose_device",
    "choose_precision",
    "confusion_matrix",
    "deeper",
    "evaluate",
    "initialize",
    "load_data",
    "load_torchvision",
    "make_network",
    "make_transforms",
    "match_layers",
    "package_version",
    "predict",
    "published_folder",
    "read_folder_images",
    "read_records",
    "run_experiment",
    "to_torchvision",
    "top_k_accuracy",
    "top_k_error",
    "trace",
    "train",
    "train_epoch",
    "training_pflop",
    "transfer_weights",
    "vgg",
    "write_record",
]
__version__ = package_version()
