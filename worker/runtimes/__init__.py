"""What executes an artefact's graph: OpenVINO on a CPU, TensorFlow on a GPU."""
