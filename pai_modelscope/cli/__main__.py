"""`python -m pai_modelscope.cli`, for launchers of several processes."""

import sys

from pai_modelscope.cli import main

if __name__ == "__main__":
    sys.exit(main())
