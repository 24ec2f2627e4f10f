"""Every live figure on every built page: drawn within a second, small, and moved by its controls."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from .conftest import OpenPage

pytestmark = pytest.mark.browser
