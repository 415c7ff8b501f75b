"""vgglib: VGG in PyTorch, as the VGG book builds it chapter by chapter.

The modules in the order of the chapters: ``architecture`` and ``trace``; ``data``, ``shapes``,
``statistics`` and ``transforms``; ``evaluation``, ``devices``, ``recipe``, ``optimization``,
``training`` and ``checkpoints``; ``transfer``; ``experiments`` and ``records``; ``protocols``,
``paper`` and ``tables``; ``inspection``; ``distributed``. The command ``python -m vgglib`` trains,
``python -m vgglib.imagenet`` tests at full size. ``figures`` draws for the notebooks and is
imported by them alone.
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
    SCALES,
    Experiment,
    deeper,
    make_network,
    make_transforms,
    package_version,
    run_experiment,
    training_pflop,
)
from vgglib.paper import PAPER, PaperResult
from vgglib.protocols import (
    ConvolutionalVGG,
    Protocol,
    average_probabilities,
    grid_crops,
    map_size,
    multiply_adds,
    predict_by,
    scales_around,
)
from vgglib.recipe import Recipe
from vgglib.records import (
    published_folder,
    read_records,
    read_test_records,
    write_record,
    write_test_record,
)
from vgglib.statistics import PCA, ChannelStatistics, StreamingStatistics, channel_statistics
from vgglib.tables import Cell, conclusions, fill_tables, mean_errors, paper_errors, plan_tables
from vgglib.trace import Trace, trace
from vgglib.training import Training, train, train_epoch
from vgglib.transfer import Transfer, match_layers, transfer_weights
from vgglib.transforms import (
    PCAColorShift,
    RandomHorizontalFlip,
    RandomScaleCrop,
    RandomTranslation,
    SubtractMean,
)

__all__ = [
    "ABLATION",
    "CONFIGURATIONS",
    "MODELS",
    "PAPER",
    "PCA",
    "RECIPES",
    "SCALES",
    "VGG",
    "Cell",
    "ChannelStatistics",
    "ConvDescriptor",
    "ConvolutionalVGG",
    "Data",
    "Evaluation",
    "Experiment",
    "LinearDescriptor",
    "PCAColorShift",
    "PaperResult",
    "Protocol",
    "RandomHorizontalFlip",
    "RandomScaleCrop",
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
    "average_probabilities",
    "channel_statistics",
    "choose_device",
    "choose_precision",
    "conclusions",
    "confusion_matrix",
    "deeper",
    "evaluate",
    "fill_tables",
    "grid_crops",
    "initialize",
    "load_data",
    "load_torchvision",
    "make_network",
    "make_transforms",
    "map_size",
    "match_layers",
    "mean_errors",
    "multiply_adds",
    "package_version",
    "paper_errors",
    "plan_tables",
    "predict",
    "predict_by",
    "published_folder",
    "read_folder_images",
    "read_records",
    "read_test_records",
    "run_experiment",
    "scales_around",
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
    "write_test_record",
]
__version__ = package_version()
