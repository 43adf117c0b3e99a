"""Answers of a model: probabilities of labels, the rule that turns them into labels, and their agreement."""
