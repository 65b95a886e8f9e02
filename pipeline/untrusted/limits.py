"""How large what a stranger made may be, and become: a distilled set is small, a bomb is not.

A reader holds at most twice `MAX_BYTES` at a time: what it unpacks, and one copy with other types or axes.
"""

# A thousand classes of ten 64x64 colour images in float32.
MAX_BYTES = 1 << 29
# A .pt of twenty experiments, each with its images and labels, has fewer than a hundred.
MAX_MEMBERS = 1000
# Deflate reaches 1032; learned images in float32 reach 1.1. Small members, such as one-hot labels, may shrink more.
MAX_RATIO = 100
FREE_RATIO_BYTES = 1 << 22
# A pickle, a msgpack or a JSON file that describes arrays, without these.
MAX_PICKLE_BYTES = 1 << 22
# A configuration has 2 kB. `tomllib` takes time that grows with the square of a dotted key, and of a line's length.
MAX_TOML_BYTES = 1 << 16
MAX_TOML_LINE = 5000
MAX_IMAGES = 1_000_000
# Of whitened images that are held at once, of each worker; they become one shard.
MAX_BATCH_BYTES = 1 << 30
# Of one learned image, and of one prepared, in pixels.
MAX_SIDE = 1024
MAX_PREPARED_SIDE = 4096
# Of learned images and labels. Whitened pixels are about 1, solved labels reach some thousands.
MAX_IMAGE_VALUE = 1e6
MAX_LABEL_VALUE = 1e12
