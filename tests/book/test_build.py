"""The strict build goes red when a page is broken, and says where."""

from __future__ import annotations

import shutil

from builtbook import ROOT, build_book

BROKEN = """
[a page that is not there](no-such-page.md), {cite}`nobody1900nothing` and an equation {eq}`no-such-equation`.

```{no-such-directive}
```

![A picture of a file that nobody drew](no-such-picture.png)
"""


def test_a_broken_page_turns_the_build_red(tmp_path):
    shutil.copy(ROOT / "_config.yml", tmp_path)
    shutil.copytree(ROOT / "book", tmp_path / "book")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/notation\nchapters:\n- file: book/references\n")
    sound = build_book(tmp_path, tmp_path / "sound")
    assert sound.returncode == 0, sound.stderr

    page = tmp_path / "book" / "notation.md"
    page.write_text(page.read_text(encoding="utf-8") + BROKEN, encoding="utf-8")
    broken = build_book(tmp_path, tmp_path / "broken")
    assert broken.returncode != 0
    for culprit in ("no-such-page", "nobody1900nothing", "no-such-equation", "no-such-directive", "no-such-picture"):
        assert culprit in broken.stderr, f"{culprit} went unnoticed:\n{broken.stderr}"
    assert "notation.md" in broken.stderr
