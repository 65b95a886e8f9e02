"""The networks that distilled sets are judged by: a module each, with `build`, and a row of `network_spec.FAMILIES`."""
