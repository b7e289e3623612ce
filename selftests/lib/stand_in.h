/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Tests that stand in for a function of a library: they define one of its name, and call the real one through this. */
#ifndef SELFTESTS_STAND_IN_H
#define SELFTESTS_STAND_IN_H

#include <dlfcn.h>

#define NEXT(function) ((typeof(&(function)))dlsym(RTLD_NEXT, #function))

#endif
