# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The command: every tools/*.c and tools/*/*.c, with the library's archive inside, so that build/bin/pinpool runs from anywhere.

TOOL_PACKAGES := smartcols jansson ncursesw libmicrohttpd
TOOL_SOURCES := $(sort $(wildcard tools/*.c tools/*/*.c))
TOOL_OBJECTS := $(TOOL_SOURCES:%.c=$(BUILD)/obj/%.o)
TOOL_CFLAGS = -iquote tools $(shell $(PKG_CONFIG) --cflags $(TOOL_PACKAGES) 2>/dev/null)
TOOL_LIBS = $(shell $(PKG_CONFIG) --libs $(TOOL_PACKAGES) 2>/dev/null)

.PHONY: tools
tools: $(BUILD)/bin/pinpool

$(BUILD)/obj/tools/%.o: tools/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(TOOL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/bin/pinpool: $(TOOL_OBJECTS) $(LIB_A)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pthread $(LDFLAGS) -Wl,-z,relro -Wl,-z,now -o $@ $(TOOL_OBJECTS) $(LIB_A) $(TOOL_LIBS) $(LIB_LIBS) -ldl

-include $(TOOL_OBJECTS:.o=.d)
