# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Measurements: `make bench`, `make bench JSON=1`; bench/run --only NAME for some of them. docs/loading.md says how.

BENCH_PROGRAMS := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*.c))

$(filter-out %/coded,$(BENCH_PROGRAMS)): $(BUILD)/bench/%: bench/%.c $(wildcard bench/*.h) $(LIB_A)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $< $(LIB_A) $(LIB_LIBS)

# A rival that is C++.
$(BUILD)/bench/eigen.o: bench/eigen.cc bench/eigen.h
	@mkdir -p $(@D)
	$(call say,CXX,$@)
	$(Q)$(CXX) -O3 -march=native -DNDEBUG -isystem /usr/include/eigen3 -c -o $@ $<
$(BUILD)/bench/coded: bench/coded.c $(BUILD)/bench/eigen.o $(wildcard bench/*.h) $(LIB_A)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $< $(BUILD)/bench/eigen.o $(LIB_A) $(LIB_LIBS) -lstdc++

# The rows come out of one run, also those that this user or machine cannot measure; see bench/run.
.PHONY: bench bench-programs
bench-programs: $(BENCH_PROGRAMS) $(BUILD)/bin/pinpool
bench:
	$(Q)scripts/deps bench
	$(Q)$(MAKE) --no-print-directory bench-programs
	$(Q)bench/run $(if $(JSON),--json)
