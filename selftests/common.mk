# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# What every selftest folder shares, on top of kselftest's lib.mk: `make check` runs them, and in each folder `make`
# and `make run_tests` work alone. A folder lists its programs before including this file; *_test.c becomes a program
# linked with the archive, headers are found as <pinpool/...>, <linux/pinpool.h> and "harness.h".

TOP := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)
BUILD ?= build
BUILD_DIR := $(if $(filter /%,$(BUILD)),$(BUILD),$(TOP)/$(BUILD))
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pinpool
LINUX ?= $(shell $(TOP)/scripts/fetch-linux $(CACHE))
ifeq ($(LINUX),)
$(error no kselftest)
endif
KSELFTEST := $(LINUX)/tools/testing/selftests
OUTPUT := $(BUILD_DIR)/selftests/$(notdir $(CURDIR))
$(shell mkdir -p $(OUTPUT))

PKG_CONFIG ?= pkg-config
# A folder for another machine has its own.
PACKAGES ?= liburing jansson libxxhash hwloc libcrypto serd-0
LIB_A ?= $(BUILD_DIR)/lib/libpinpool.a

CFLAGS ?= -O2 -g
# The harness defines functions without prototypes and compares without care for signs: so neither
# -Wmissing-prototypes nor -Wextra.
override CFLAGS += -std=gnu11 -D_GNU_SOURCE= -D_FILE_OFFSET_BITS=64 -pthread -Wall -Wstrict-prototypes -Wshadow \
		   -Wpointer-arith $(if $(WERROR),-Werror) -I$(TOP)/include -I$(TOP)/include/uapi -I$(TOP)/lib \
		   -I$(TOP)/selftests -isystem $(KSELFTEST) $(if $(PACKAGES),$(shell $(PKG_CONFIG) --cflags $(PACKAGES)))
LDLIBS += $(if $(PACKAGES),$(shell $(PKG_CONFIG) --libs $(PACKAGES))) -lm
LOCAL_HDRS += $(wildcard *.h $(TOP)/selftests/*.h $(TOP)/include/pinpool/*.h $(TOP)/include/uapi/linux/*.h)

include $(KSELFTEST)/lib.mk

# lib.mk hands the prerequisites that are no headers to the linker: the archive is one.
$(TEST_GEN_PROGS): $(LIB_A)
