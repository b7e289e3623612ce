/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * kselftest's harness with limits for tests that run in an emulated machine, on a debug kernel, beside others: a test
 * that needs half a minute there is slow, not stuck. TEST_F_TIMEOUT still says otherwise for one test.
 */
#ifndef PINPOOL_SELFTESTS_HARNESS_H
#define PINPOOL_SELFTESTS_HARNESS_H

#include "kselftest_harness.h"

/* Seconds for one test. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 240

#endif
