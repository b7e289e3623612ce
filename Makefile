# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# pinpool. `make` builds everything that this machine has the parts for and never needs root; `make help` lists the
# targets. Output goes under build/. One fragment per folder: lib/lib.mk, tools/tools.mk, ...

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

VERSION := 0.1.0
SOVERSION := 0

ROOT := $(CURDIR)
BUILD ?= build
# Kernels for the VM and kselftest's sources are kept outside the tree: fetched once, used by every clone.
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pinpool

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
INSTALL ?= install

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
AR := ar
PKG_CONFIG ?= pkg-config
SCDOC ?= scdoc

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -Wvla \
	    -Wformat=2 -Wno-unused-parameter
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(WARNINGS) $(if $(WERROR),-Werror) -pthread \
	     -Iinclude -Iinclude/uapi $(CFLAGS)

# `make V=1` shows commands.
ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$(2))'
endif

.PHONY: all
all:

include kmod/kmod.mk
include lib/lib.mk
include tools/tools.mk
include man/man.mk
include selftests/selftests.mk
include bench/bench.mk

all: lib tools man kmod

.PHONY: deps
deps:
	$(Q)scripts/deps all

# Each target asks for what it uses itself; `make deps` is all of that at once.
.PHONY: demo
demo:
	$(Q)scripts/deps demo $(if $(VM),check)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/demo $(if $(VM),--vm)

.PHONY: install
install: lib tools man
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)/pinpool \
		$(DESTDIR)$(INCLUDEDIR)/linux $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(COMPLETIONDIR)
	$(Q)$(INSTALL) -m 755 $(BUILD)/bin/pinpool $(DESTDIR)$(BINDIR)/
	$(Q)$(INSTALL) -m 644 $(LIB_A) $(DESTDIR)$(LIBDIR)/
	$(Q)$(INSTALL) -m 755 $(LIB_SO) $(DESTDIR)$(LIBDIR)/
	$(Q)ln -sf $(notdir $(LIB_SO)) $(DESTDIR)$(LIBDIR)/libpinpool.so.$(SOVERSION)
	$(Q)ln -sf libpinpool.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libpinpool.so
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|;s|@LIBDIR@|$(LIBDIR)|;s|@INCLUDEDIR@|$(INCLUDEDIR)|;s|@VERSION@|$(VERSION)|' \
		lib/libpinpool.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/libpinpool.pc
	$(Q)$(INSTALL) -m 644 include/pinpool/*.h $(DESTDIR)$(INCLUDEDIR)/pinpool/
	$(Q)$(INSTALL) -m 644 include/uapi/linux/pinpool.h $(DESTDIR)$(INCLUDEDIR)/linux/
	$(Q)$(INSTALL) -m 644 $(BUILD)/man/*.1 $(DESTDIR)$(MANDIR)/man1/
	$(Q)$(INSTALL) -m 644 completions/pinpool.bash $(DESTDIR)$(COMPLETIONDIR)/pinpool

.PHONY: clean
clean:
	rm -rf $(BUILD)

.PHONY: help
help:
	@echo 'make                 library, command, man pages, kernel module (for the installed headers)'
	@echo 'make deps            install the Debian packages that are missing (as root), or print the command'
	@echo 'make demo [VM=1]     everything from packages to a product of real weights; VM=1: in a VM, with the module'
	@echo 'make check           every test, the kernel module on two kernels included'
	@echo 'make check-kernels   make check, and the newest kernel of Debian (trixie-backports); needs root the first time'
	@echo 'make check-arm       matrix products on AArch64, under user emulation'
	@echo 'make check-parsers   parsers of files and catalogs, with sanitizers and for a moment under a fuzzer'
	@echo 'make check-static    sources: sparse, coccinelle, checkpatch, kernel-doc, the layout of the ABI'
	@echo 'make check-debug     the module on a kernel with KASAN, lockdep, kmemleak and others, and which lines of it ran'
	@echo 'make check-all       check, check-static, check-parsers and check-debug with one tally, as in .ci/run'
	@echo 'make coverage-kmod   the same as check-debug, with the table of lines as its last output'
	@echo 'make fuzz            parsers of files and catalogs under libFuzzer; SECONDS=N for each (60), TARGET=npz'
	@echo 'make fuzz-kmod       a million calls of the ABI at random on that kernel; SEED=N repeats one, CALLS=N'
	@echo 'make bench [JSON=1]  measurements beside rivals; build/bench.json'
	@echo 'make kmod KERNEL=R   the module for /lib/modules/R/build; KDIR=DIR: for these headers'
	@echo 'make install         PREFIX=$(PREFIX) DESTDIR='
	@echo 'make clean           V=1 shows commands, WERROR=1 makes warnings errors, BUILD= and CACHE= move output'
