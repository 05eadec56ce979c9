"""What executes an artefact's graph: OpenVINO on a CPU; on a GPU TensorFlow, or ONNX Runtime from an export."""
