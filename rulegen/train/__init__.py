"""Worlds to learn from: generated histories whose noise, incidents and right answers are known."""
