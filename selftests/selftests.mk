# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Every test. Each target ends with the line `N passed, N failed, N skipped` and fails unless all that had to run did.

export BUILD CACHE

.PHONY: check check-static check-lib check-cli check-arm check-parsers check-vm check-debug coverage-kmod check-all
check:
	$(Q)scripts/deps build check
	$(Q)$(MAKE) --no-print-directory all selftests
	$(Q)selftests/run lib cli arm vm

# Sources: warnings, style, the layout of the ABI.
check-static:
	$(Q)scripts/deps build check
	$(Q)selftests/run static

check-lib: $(LIB_A)
	$(Q)$(MAKE) --no-print-directory -C selftests/lib
	$(Q)selftests/run lib

check-cli: lib tools
	$(Q)selftests/run cli

# Matrix products on AArch64, under user emulation.
check-arm:
	$(Q)scripts/deps build check
	$(Q)$(MAKE) --no-print-directory -C selftests/arm
	$(Q)selftests/run arm

# Parsers of files and catalogs under libFuzzer: what they accept, and for a moment what becomes of that.
check-parsers: lib tools
	$(Q)scripts/deps build check
	$(Q)$(MAKE) --no-print-directory -C selftests/fuzz
	$(Q)selftests/run parsers

# The same for SECONDS each (60), of one TARGET or all; what it finds to be new is kept for the next time.
.PHONY: fuzz
fuzz: lib tools
	$(Q)scripts/deps build check
	$(Q)$(MAKE) --no-print-directory -C selftests/fuzz
	$(Q)FUZZ_SECONDS='$(or $(SECONDS),60)' FUZZ_CORPUS='$(abspath $(BUILD))/selftests/fuzz/corpus' \
		$(if $(TARGET),FUZZ_TARGETS='$(TARGET)') selftests/run parsers

check-vm: lib tools selftests
	$(Q)selftests/run vm

# The module on a kernel that looks for errors, and counts which lines of the module run. Takes longer, the first time by
# the building of that kernel.
check-debug:
	$(Q)scripts/deps build check debug
	$(Q)$(MAKE) --no-print-directory all selftests
	$(Q)selftests/run debug

# The table of lines once more, as the last thing printed.
coverage-kmod: check-debug
	$(Q)selftests/coverage $(BUILD)/selftests/vm/debug/gcov

# All of that with one tally: what .ci/run runs.
check-all:
	$(Q)scripts/deps build check debug
	$(Q)$(MAKE) --no-print-directory all selftests
	$(Q)$(MAKE) --no-print-directory -C selftests/fuzz
	$(Q)selftests/run static lib cli arm parsers vm debug

# As make check, and on the newest kernel besides.
.PHONY: check-kernels
check-kernels:
	$(Q)scripts/deps build check kernels
	$(Q)$(MAKE) --no-print-directory all selftests
	$(Q)selftests/run lib cli arm vm newest

# A million calls at random on the kernel that looks for errors, or CALLS of them; make check makes 50,000 on each of its
# kernels, make check-debug 20,000. SEED repeats one: see selftests/kmod/fuzz_test.c.
.PHONY: fuzz-kmod
fuzz-kmod:
	$(Q)scripts/deps build check debug
	$(Q)$(MAKE) --no-print-directory all selftests
	$(Q)PINPOOL_FUZZ_CALLS='$(CALLS)' PINPOOL_FUZZ_SEED='$(SEED)' selftests/run fuzz

.PHONY: selftests
selftests: $(LIB_A)
	$(Q)$(MAKE) --no-print-directory -C selftests/lib
	$(Q)$(MAKE) --no-print-directory -C selftests/cli
	$(Q)$(MAKE) --no-print-directory -C selftests/arm
	$(Q)$(MAKE) --no-print-directory -C selftests/kmod
