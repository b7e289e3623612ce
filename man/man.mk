# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Manual pages: every man/*.1.scd, by scdoc.

MAN_SOURCES := $(sort $(wildcard man/*.1.scd))
MAN_PAGES := $(MAN_SOURCES:man/%.scd=$(BUILD)/man/%)

.PHONY: man
man: $(MAN_PAGES)

$(BUILD)/man/%: man/%.scd
	@mkdir -p $(@D)
	$(call say,MAN,$@)
	$(Q)$(SCDOC) < $< > $@
