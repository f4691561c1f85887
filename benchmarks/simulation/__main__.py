"""Plays all scenes and writes the results into README.md."""

import sys

from benchmarks.simulation import page


def main() -> int:
    """Take about three minutes."""
    played = []
    for scene in page.SCENES:
        print(scene.title, file=sys.stderr)
        played.append((scene, page.play(scene)))
    page.write(played)
    return 0


if __name__ == "__main__":
    sys.exit(main())
