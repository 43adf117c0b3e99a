"""A trained model behind HTTP: one page for people, JSON for programs."""
