"""Runs PySceneDetect on one film and prints what it found, as JSON; `benchmarks.shots` starts it.

    python -m benchmarks.shots.peer DETECTOR FILM

Runs in an environment of its own (`requirements/peer.txt`): imports PySceneDetect and nothing of
ours, so the service needs none of its packages.
"""

import json
import sys
import time


def main(name: str, path: str) -> None:
    """Detect with defaults and the OpenCV backend; seconds are of opening and detecting."""
    from scenedetect import AdaptiveDetector, HistogramDetector, SceneManager, open_video

    began_s = time.perf_counter()
    video = open_video(path, backend="opencv")
    manager = SceneManager()
    manager.add_detector({"adaptive": AdaptiveDetector, "histogram": HistogramDetector}[name]())
    manager.detect_scenes(video)
    scenes = manager.get_scene_list()
    seconds = time.perf_counter() - began_s
    starts_s = [start.seconds for start, _ in scenes[1:]]
    sys.stdout.write(json.dumps({"seconds": seconds, "starts_s": starts_s}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
