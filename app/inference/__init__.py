"""Runs the network: the only folder of `app` that imports OpenVINO, TensorFlow and Keras."""
