"""Converts MediaPipe's selfie segmentation networks to ONNX, so that OpenCV runs them right and quickly.

    pip install onnx onnxruntime tflite
    python tools/convert_person.py selfie_segmentation.tflite models/person_256x256.onnx

The networks come from the PyPI wheel `mediapipe` 0.10.21 (modules/selfie_segmentation). What differs from them: the
last layer, a transposed convolution, is written as a 1x1 convolution and DepthToSpace (OpenCV's Deconvolution takes
over half of the whole network's time), weights are 32-bit floats, and the layout is channels first. Then the numbers
of OpenCV are compared with those of onnxruntime on a random picture.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import tflite
from onnx import TensorProto, helper, numpy_helper

TOLERANCE = 1e-4  # of OpenCV's numbers against onnxruntime's; the mask is 0 to 1
_FLOAT_TYPES = {0: np.float32, 1: np.float16}


class Converter:
    """One TFLite graph on its way to ONNX."""

    def __init__(self, path: Path) -> None:
        self._model = tflite.Model.GetRootAs(path.read_bytes(), 0)
        self._graph = self._model.Subgraphs(0)
        self._nodes: list[Any] = []
        self._weights: dict[str, Any] = {}
        self._from_half: dict[int, int] = {}  # tensor of 32-bit floats: the stored one of 16 bits

    def convert(self) -> Any:
        """The ONNX model."""
        graph = self._graph
        for k in range(graph.OperatorsLength()):
            operator = graph.Operators(k)
            ins = [operator.Inputs(i) for i in range(operator.InputsLength())]
            self._convert_operator(operator, self._kind(operator), ins, operator.Outputs(0))
        _, height, width, _ = self._shape(graph.Inputs(0))
        source = helper.make_tensor_value_info(_name(graph.Inputs(0)), TensorProto.FLOAT, [1, 3, height, width])
        result = helper.make_tensor_value_info(_name(graph.Outputs(0)), TensorProto.FLOAT, [1, 1, height, width])
        made = helper.make_graph(self._nodes, "person", [source], [result], list(self._weights.values()))
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model

    def _kind(self, operator: Any) -> str:
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        custom = code.CustomCode()
        return custom.decode() if custom else tflite.opcode2name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))

    def _convert_operator(self, operator: Any, kind: str, ins: list[int], out: int) -> None:
        if kind == "DEQUANTIZE":
            self._from_half[out] = ins[0]
        elif kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self._convolution(operator, kind, ins, out)
        elif kind == "Convolution2DTransposeBias":
            self._transposed_convolution(ins, out)
        elif kind == "HARD_SWISH":
            gate = f"{_name(out)}_gate"
            self._add("HardSigmoid", [_name(ins[0])], gate, alpha=1 / 6, beta=0.5)
            self._add("Mul", [_name(ins[0]), gate], _name(out))
        elif kind in ("MEAN", "AVERAGE_POOL_2D"):
            assert self._shape(out)[1:3] == (1, 1), "not over the whole picture"
            self._add("GlobalAveragePool", [_name(ins[0])], _name(out))
        elif kind == "RESIZE_BILINEAR":
            self._resize(operator, ins, out)
        else:
            names = {"RELU": "Relu", "LOGISTIC": "Sigmoid", "MUL": "Mul", "ADD": "Add"}
            self._add(names[kind], [_name(i) for i in ins], _name(out))

    def _convolution(self, operator: Any, kind: str, ins: list[int], out: int) -> None:
        options = tflite.Conv2DOptions() if kind == "CONV_2D" else tflite.DepthwiseConv2DOptions()
        options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
        assert options.FusedActivationFunction() == 0 and options.DilationHFactor() == 1
        weights = self._floats(ins[1])
        weights = weights.transpose(0, 3, 1, 2) if kind == "CONV_2D" else weights.transpose(3, 0, 1, 2)
        sides, stride = weights.shape[2:], options.StrideW()
        pads = [0, 0, 0, 0]
        if options.Padding() == 0:  # SAME: what is odd comes last
            sizes = self._shape(ins[0])[1:3], self._shape(out)[1:3]
            for axis in (0, 1):
                total = max(0, (sizes[1][axis] - 1) * stride + sides[axis] - sizes[0][axis])
                pads[axis], pads[axis + 2] = total // 2, total - total // 2
        group = weights.shape[0] if kind != "CONV_2D" else 1
        inputs = [_name(ins[0]), self._keep(ins[1], weights), self._keep(ins[2], self._floats(ins[2]))]
        self._add("Conv", inputs, _name(out), kernel_shape=sides, strides=[stride] * 2, pads=pads, group=group)

    def _transposed_convolution(self, ins: list[int], out: int) -> None:
        """A kernel of 2x2 and a stride of 2: each pixel becomes four that share nothing."""
        weights, bias = self._floats(ins[1]), self._floats(ins[2])
        outs, height, width, channels = weights.shape
        assert (height, width) == (2, 2)
        block = weights.transpose(1, 2, 0, 3).reshape(4 * outs, channels, 1, 1)
        inputs = [_name(ins[0]), self._keep(ins[1], block), self._keep(ins[2], np.tile(bias, 4))]
        self._add("Conv", inputs, f"{_name(out)}_block", kernel_shape=[1, 1])
        self._add("DepthToSpace", [f"{_name(out)}_block"], _name(out), blocksize=2, mode="DCR")

    def _resize(self, operator: Any, ins: list[int], out: int) -> None:
        options = tflite.ResizeBilinearOptions()
        options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
        way = "half_pixel" if options.HalfPixelCenters() else "asymmetric"
        way = "align_corners" if options.AlignCorners() else way
        height, width = self._shape(out)[1:3]
        before = self._shape(ins[0])[1:3]
        scales = np.array([1, 1, height / before[0], width / before[1]], np.float32)
        name = f"{_name(out)}_scales"
        self._weights[name] = numpy_helper.from_array(scales, name)
        self._add("Resize", [_name(ins[0]), "", name], _name(out), mode="linear", coordinate_transformation_mode=way)

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    def _keep(self, tensor: int, values: Any) -> str:
        name = f"w{tensor}"
        self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name)
        return name

    def _floats(self, tensor: int) -> Any:
        tensor = self._from_half.get(tensor, tensor)
        stored = self._graph.Tensors(tensor)
        raw = self._model.Buffers(stored.Buffer()).DataAsNumpy().tobytes()
        return np.frombuffer(raw, _FLOAT_TYPES[stored.Type()]).reshape(self._shape(tensor)).astype(np.float32)

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self._graph.Tensors(tensor).ShapeAsNumpy().tolist())


def _name(tensor: int) -> str:
    return f"t{tensor}"


def compare(path: Path) -> float:
    """The largest difference between OpenCV's and onnxruntime's masks of a random picture; prints their times."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    smooth = cv2.resize(np.random.default_rng(1).random((9, 16, 3), np.float32), (shape[3], shape[2]))
    picture = smooth.transpose(2, 0, 1)[None].copy()
    right = session.run(None, {session.get_inputs()[0].name: picture})[0]
    cv2.setNumThreads(1)
    net = cv2.dnn.readNetFromONNX(str(path), engine=cv2.dnn.ENGINE_CLASSIC)
    times = []
    for _ in range(20):
        net.setInput(picture)
        began = time.perf_counter()
        got = net.forward()
        times.append(time.perf_counter() - began)
    print(f"{path}: {np.median(times) * 1000:.1f} ms in one thread, mask {got.min():.3f} to {got.max():.3f}")
    return float(np.abs(got - right).max())


def main() -> None:
    """Convert one network and compare."""
    source, target = map(Path, sys.argv[1:3])
    onnx.save(Converter(source).convert(), target)
    difference = compare(target)
    print(f"differs from onnxruntime by {difference:.1e} at most")
    if difference > TOLERANCE:
        raise SystemExit("more than is allowed")


if __name__ == "__main__":
    main()
