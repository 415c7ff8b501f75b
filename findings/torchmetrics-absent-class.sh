#!/usr/bin/env bash
# Guess: MulticlassAccuracy(average="macro") is scikit-learn's balanced_accuracy_score: the mean
#   recall over the classes that occur in the labels.
# What happens: torchmetrics 1.9.0 leaves a class out only if it neither occurs nor is predicted.
#   One wrong prediction of a class that the data lack adds a recall of 0 to the mean, on top of
#   the miss that it is already. Three of four right gives 0.5 instead of 0.75. With 1000 classes
#   and a test set of a part of them (ImageNet-A has 200), much of the score is lost.
# What to do: average="none", and take the mean over the classes that occur.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6 \
  torchmetrics==1.9.0 scikit-learn==1.9.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sklearn, torch, torchmetrics, warnings
from sklearn.metrics import balanced_accuracy_score
from torchmetrics.classification import MulticlassAccuracy

warnings.simplefilter("ignore")  # scikit-learn warns that a class is predicted and absent
print("torchmetrics", torchmetrics.__version__, "scikit-learn", sklearn.__version__)
labels = torch.tensor([0, 0, 1, 1])
right_class = torch.tensor([0, 1, 1, 1])  # the miss falls on a class that occurs
absent_class = torch.tensor([0, 2, 1, 1])  # the miss falls on one that does not
results = []
for name, predicted in (("class 1", right_class), ("class 2", absent_class)):
    ours = MulticlassAccuracy(num_classes=1000, average="macro")(predicted, labels).item()
    theirs = balanced_accuracy_score(labels, predicted)
    per_class = MulticlassAccuracy(num_classes=1000, average="none")(predicted, labels)
    cured = per_class[labels.unique()].mean().item()
    results.append((ours, theirs, cured))
    print(f"miss predicts {name}: torchmetrics {ours}, scikit-learn {theirs}, cured {cured}")
assert results == [(0.75, 0.75, 0.75), (0.5, 0.75, 0.75)]
PYTHON
