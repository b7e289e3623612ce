# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# libpinpool: every lib/*/*.c, one set of position-independent objects for the archive and the shared object.
# A file that needs an instruction set says so by its name: *_avx2.c, *_avx512.c, *_neon.c. Which of them there are, the
# compiler's target decides, not the machine that it runs on.

LIB_PACKAGES := liburing jansson libxxhash hwloc libcrypto serd-0
# Folders of it. Fewer make an archive that needs fewer of the packages; the shared object is always of all.
LIB_PARTS ?= *
LIB_MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
ISA_x86_64 := %_avx2.c %_avx512.c %_avx512_vnni.c %_avx512_bf16.c
ISA_aarch64 := %_neon.c
LIB_SOURCES := $(filter-out $(filter-out $(ISA_$(LIB_MACHINE)),$(ISA_x86_64) $(ISA_aarch64)), \
		 $(sort $(wildcard $(LIB_PARTS:%=lib/%/*.c))))
LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/obj/%.o)
LIB_CFLAGS = -fPIC -fvisibility=hidden -Ilib -DPINPOOL_VERSION='"$(VERSION)"' $(shell $(PKG_CONFIG) --cflags $(LIB_PACKAGES) 2>/dev/null)
LIB_LIBS = $(shell $(PKG_CONFIG) --libs $(LIB_PACKAGES) 2>/dev/null) -lm
# Vectors wider than the registers have no ABI of their own: those of the portable kernels are never passed, but inlined.
ISA_CFLAGS = $(if $(filter %_portable.o,$@),-Wno-psabi) \
	     $(if $(filter %_avx2.o,$@),-mavx2 -mfma -mf16c) \
	     $(if $(filter %_avx512.o %_avx512_vnni.o %_avx512_bf16.o,$@),-mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512) \
	     $(if $(filter %_avx512_vnni.o,$@),-mavx512vnni) \
	     $(if $(filter %_avx512_bf16.o,$@),-mavx512bf16 -mavx512vbmi2) \
	     $(if $(filter %_neon.o,$@),-march=armv8.2-a+dotprod -Wno-psabi)

LIB_A := $(BUILD)/lib/libpinpool.a
LIB_SO := $(BUILD)/lib/libpinpool.so.$(VERSION)

.PHONY: lib
lib: $(LIB_A) $(LIB_SO) $(BUILD)/lib/libpinpool.pc

$(BUILD)/obj/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LIB_CFLAGS) $(ISA_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB_A): $(LIB_OBJECTS)
	@mkdir -p $(@D)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(LIB_SO): $(LIB_OBJECTS) lib/libpinpool.map
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -shared -pthread $(LDFLAGS) -Wl,-soname,libpinpool.so.$(SOVERSION) -Wl,--version-script=lib/libpinpool.map \
		-Wl,-z,defs -Wl,-z,relro -Wl,-z,now -o $@ $(LIB_OBJECTS) $(LIB_LIBS)
	$(Q)lib/check-map $@ lib/libpinpool.map
	$(Q)ln -sf $(notdir $@) $(BUILD)/lib/libpinpool.so.$(SOVERSION)
	$(Q)ln -sf libpinpool.so.$(SOVERSION) $(BUILD)/lib/libpinpool.so

$(BUILD)/lib/libpinpool.pc: lib/libpinpool.pc.in Makefile
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)sed -e 's|@PREFIX@|$(ROOT)|;s|@LIBDIR@|$(abspath $(BUILD))/lib|;s|@INCLUDEDIR@|$(ROOT)/include|;s|@VERSION@|$(VERSION)|' $< > $@
	$(Q)sed -i 's|^Cflags:.*|& -I$(ROOT)/include/uapi|' $@

-include $(LIB_OBJECTS:.o=.d)
