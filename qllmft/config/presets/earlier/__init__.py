"""Presets of earlier versions, which kept studies name; lists leave them out."""
