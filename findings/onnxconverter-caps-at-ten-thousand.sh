#!/usr/bin/env bash
# Guess: convert_float_to_float16 keeps a weight of 20,000 or 60,000: float16 holds numbers up to
#   65,504.
# What happens: onnxconverter-common 1.16.0 cuts at 10,000, by the default of max_finite_val, so
#   both become 10,000. And what float16 would round to 0 is raised to 1e-7. It warns of both,
#   without the names of the weights.
# What to do: max_finite_val=65504, and look whether the outputs stay.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check onnxconverter-common==1.16.0 \
  onnx==1.23.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings
from importlib.metadata import version

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnxconverter_common.float16 import convert_float_to_float16

print("onnxconverter-common", version("onnxconverter-common"), "onnx", version("onnx"))
warnings.simplefilter("ignore")

weights = np.array([3.0, 20_000.0, -60_000.0, 1e-9], np.float32)


def converted(**options):
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "weights"], ["y"])],
        "scale",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (stored,) = convert_float_to_float16(model, **options).graph.initializer
    return numpy_helper.to_array(stored)


print("weights:         ", weights)
print("converted:       ", converted())
print("numpy's float16: ", weights.astype(np.float16))
assert converted().tolist()[:3] == [3.0, 10_000.0, -10_000.0] and converted()[3] > 0
assert converted(max_finite_val=65504.0).tolist()[:3] == [3.0, 20_000.0, -60_000.0]
PYTHON
