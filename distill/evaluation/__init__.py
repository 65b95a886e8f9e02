"""Finite networks, trained on a distilled set from random weights and tested: what the set is worth to others."""
