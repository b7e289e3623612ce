# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# every test

.PHONY: check
check:
