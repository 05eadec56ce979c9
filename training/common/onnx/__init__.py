"""Written graphs as ONNX, for ONNX Runtime on a card."""
