"""``python -m rulbook.cli`` is ``rulbook``."""

from rulbook.cli import main

raise SystemExit(main())
