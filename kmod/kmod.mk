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
endif
# RELEASE=DIR, the first place of each release.
KMOD_HEADERS :=
$(foreach dir,$(KMOD_DIRS),$(eval KMOD_HEADERS += $(foreach release,$(call kmod-release,$(dir)),\
	$(if $(filter $(release)=%,$(KMOD_HEADERS)),,$(release)=$(dir)))))
KMOD_RELEASES := $(foreach header,$(KMOD_HEADERS),$(firstword $(subst =, ,$(header))))
KMOD_MODULES := $(KMOD_RELEASES:%=$(BUILD)/kmod/%/pinpool.ko)

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
	$(Q)+$(MAKE) --no-print-directory -C $(patsubst $*=%,%,$(filter $*=%,$(KMOD_HEADERS))) \
		M=$(abspath $(@D))/tree PINPOOL_VERSION=$(VERSION) $(if $(WERROR),KCFLAGS=-Werror) $(if $(Q),-s) modules
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
	$(Q)+$(MAKE) --no-print-directory -C $(patsubst $*=%,%,$(filter $*=%,$(KMOD_HEADERS))) \
		M=$(abspath $(@D))-tree/selftests/kmod/modules $(if $(WERROR),KCFLAGS=-Werror) $(if $(Q),-s) modules
	$(Q)cp $(@D)-tree/selftests/kmod/modules/*.ko $(@D)/
	$(Q)touch $@
