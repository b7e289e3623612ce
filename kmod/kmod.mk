# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The kernel module: build/kmod/RELEASE/pinpool.ko for every kernel whose headers are found, or for KERNEL=RELEASE, or
# for the headers in KDIR=DIR. kbuild writes objects beside sources, so it gets a tree of links below build/.
# W=1 and C=2 reach kbuild by themselves.

KMOD_SOURCES := Kbuild include/uapi/linux/pinpool.h $(wildcard kmod/Kbuild kmod/*.[ch] kmod/compat/*)

# The release that headers are for, as uname -r will say it, and where the headers of a release may be.
kmod-release = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(1)/include/generated/utsrelease.h 2>/dev/null)
kmod-places = /lib/modules/$(1)/build /usr/src/linux-headers-$(1) $(CACHE)/kernels/$(1)/root/usr/src/linux-headers-$(1)

ifneq ($(KDIR),)
KMOD_DIRS := $(KDIR)
else
KMOD_DIRS := $(foreach place,$(call kmod-places,$(or $(KERNEL),*)),$(sort $(wildcard $(place))))
# Those take root to build for: only if asked for.
KMOD_DIRS := $(filter-out $(CACHE)/kernels/newest/%,$(KMOD_DIRS))
endif
# RELEASE=DIR, the first place of each release.
KMOD_HEADERS :=
$(foreach dir,$(KMOD_DIRS),$(eval KMOD_HEADERS += $(foreach release,$(call kmod-release,$(dir)),\
	$(if $(filter $(release)=%,$(KMOD_HEADERS)),,$(release)=$(dir)))))
KMOD_RELEASES := $(foreach header,$(KMOD_HEADERS),$(firstword $(subst =, ,$(header))))
KMOD_MODULES := $(KMOD_RELEASES:%=$(BUILD)/kmod/%/pinpool.ko)

# kbuild for a release: $(call kbuild,RELEASE). Headers in a Debian of their own (selftests/vm/fetch-newest) are used with
# its compiler and by the paths they have there.
kmod-headers = $(patsubst $(1)=%,%,$(filter $(1)=%,$(KMOD_HEADERS)))
kmod-root = $(patsubst %/usr/src/,%,$(if $(wildcard $(dir $(1))../bin/make),$(dir $(1))))
kmod-enter = $(if $(1),$(ROOT)/scripts/in-root $(1) $(ROOT) $(abspath $(BUILD)) -- make,$(MAKE)) --no-print-directory \
	-C $(patsubst $(1)%,%,$(2)) $(if $(W),W=$(W)) $(if $(C),C=$(C))
kbuild = $(call kmod-enter,$(call kmod-root,$(call kmod-headers,$(1))),$(call kmod-headers,$(1))) \
	$(if $(WERROR),KCFLAGS=-Werror) $(if $(Q),-s)

.PHONY: kmod
kmod: $(KMOD_MODULES)
ifeq ($(KMOD_MODULES),)
ifeq ($(KDIR)$(KERNEL),)
	@echo 'kmod: no kernel headers found, so no module (install linux-headers-$$(uname -r), or give KDIR=DIR)'
else
	@echo 'kmod: $(or $(KDIR),$(KERNEL)): no kernel headers there' >&2; exit 1
endif
endif

# A check or other warnings were asked for: kbuild decides what that means for objects that exist.
.PHONY: kmod-asked
$(BUILD)/kmod/%/pinpool.ko: $(KMOD_SOURCES) $(if $(C)$(W),kmod-asked)
	$(call say,KMOD,$@)
	$(Q)mkdir -p $(sort $(dir $(KMOD_SOURCES:%=$(@D)/tree/%)))
	$(Q)$(foreach file,$(KMOD_SOURCES),ln -sfn $(ROOT)/$(file) $(@D)/tree/$(file) &&) :
	$(Q)+$(call kbuild,$*) M=$(abspath $(@D))/tree PINPOOL_VERSION=$(VERSION) modules
	$(Q)cp $(@D)/tree/kmod/pinpool.ko $@

# Modules of the tests, for the VM: build/kmod/RELEASE/modules/NAME.ko, in the same way and only where there are sources.
TEST_MODULE_SOURCES := $(wildcard selftests/kmod/modules/*.[ch])
TEST_MODULE_LINKS := $(TEST_MODULE_SOURCES) selftests/kmod/modules/Kbuild include/uapi/linux/pinpool.h \
		     $(wildcard kmod/compat/*)
TEST_MODULES := $(if $(TEST_MODULE_SOURCES),$(KMOD_RELEASES:%=$(BUILD)/kmod/%/modules/built))

.PHONY: test-modules
test-modules: $(TEST_MODULES)

# Made anew each time: a source that is gone leaves no link behind.
$(BUILD)/kmod/%/modules/built: $(TEST_MODULE_LINKS)
	$(call say,KMOD,$(@D))
	$(Q)rm -rf $(@D) $(@D)-tree
	$(Q)mkdir -p $(@D) $(sort $(dir $(TEST_MODULE_LINKS:%=$(@D)-tree/%)))
	$(Q)$(foreach file,$(TEST_MODULE_LINKS),ln -sfn $(ROOT)/$(file) $(@D)-tree/$(file) &&) :
	$(Q)+$(call kbuild,$*) M=$(abspath $(@D))-tree/selftests/kmod/modules modules
	$(Q)cp $(@D)-tree/selftests/kmod/modules/*.ko $(@D)/
	$(Q)touch $@
