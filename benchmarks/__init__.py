"""The promises of speed and memory, as ratios against a peer in one run. `python -m benchmarks` prints them."""
