"""Bridges to other libraries; each is an optional extra of the package."""
