"""Files of a prepared data set: shards, manifest, digests, and their publication as one piece."""
