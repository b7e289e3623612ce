# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# the kernel module, per kernel release

.PHONY: kmod
kmod:
