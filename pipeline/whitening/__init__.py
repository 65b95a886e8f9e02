"""Whitening: what each kind is, fitted from moments, applied, inverted and checked."""
