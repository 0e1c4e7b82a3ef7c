"""Shots: how fast and how well they are found, beside PySceneDetect."""
