"""The pages: static files that talk to the public REST interface and to nothing else."""
