"""Files of strangers, read as data alone: nothing in them is executed and no size is believed."""
