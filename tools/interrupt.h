/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Ctrl-C and its relatives as a flag that a load or a verification looks at. */
#ifndef PINPOOL_TOOLS_INTERRUPT_H
#define PINPOOL_TOOLS_INTERRUPT_H

/*
 * From now on SIGINT, SIGTERM and SIGHUP set the flag returned, which is 0 before, instead of ending the process; the
 * same signal a second time ends it. One that the caller of the program had ignored stays ignored.
 */
const volatile int *interrupt_begin(void);

#endif
