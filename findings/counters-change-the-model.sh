#!/usr/bin/env bash
# Guess: a tool that counts a network's operations leaves the network as it was.
# What happens: of four such tools, three do not (torchvision's vgg11_bn in training mode).
#   ptflops 0.7.5 leaves it in evaluation mode: dropout and batch statistics are off in the
#   training that follows. thop 0.1.1 leaves buffers total_ops and total_params in it: a
#   checkpoint saved afterwards is refused by load_state_dict of a fresh network. fvcore 0.1.5
#   runs it in training mode, so the example input moves the running mean and variance of each
#   batch normalization. torchinfo 1.8.0 leaves no trace.
# What to do: count on copy.deepcopy(model), never on the model that is trained.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  numpy==2.4.6 ptflops==0.7.5 thop==0.1.1.post2209072238 fvcore==0.1.5.post20221221 torchinfo==1.8.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata as metadata, logging, warnings
import fvcore.nn, ptflops, thop, torch, torchinfo, torchvision

warnings.simplefilter("ignore")
logging.disable()
print(*(f"{p} {metadata.version(p)}" for p in ("torch", "ptflops", "thop", "fvcore", "torchinfo")))
image = torch.ones(1, 3, 64, 64)
tools = {
    "ptflops": lambda m: ptflops.get_model_complexity_info(
        m, (3, 64, 64), print_per_layer_stat=False, verbose=False),
    "thop": lambda m: thop.profile(m, (image,), verbose=False),
    "fvcore": lambda m: fvcore.nn.FlopCountAnalysis(m, image).total(),
    "torchinfo": lambda m: torchinfo.summary(m, input_data=image, verbose=0),
}
seen = {}
for name, count in tools.items():
    model = torchvision.models.vgg11_bn(num_classes=10).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    count(model)
    after = model.state_dict()
    added = sorted(after.keys() - before.keys())
    moved = sum(not torch.equal(after[key], before[key]) for key in before)
    seen[name] = (model.training, added, moved)
    print(f"{name:9} training {model.training}, keys added {added}, tensors changed {moved}")
assert seen["ptflops"] == (False, [], 0)
assert seen["thop"] == (True, ["total_ops", "total_params"], 0)
assert seen["fvcore"][:2] == (True, []) and seen["fvcore"][2] == 3 * 8
assert seen["torchinfo"] == (True, [], 0)
PYTHON
