"""Findings of a film as files for other programs: findings in, text out, nothing else."""
