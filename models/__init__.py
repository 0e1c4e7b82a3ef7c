"""What a model is: vocabulary, preprocessing, manifest, artifact; shared by both houses."""
