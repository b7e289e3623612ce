/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Ctrl-C; see interrupt.h. A signal handler can reach only a static object. */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile int interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

const volatile int *interrupt_begin(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND}, old;
	size_t i;

	sigemptyset(&action.sa_mask);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!sigaction(numbers[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	return &interrupted;
}
