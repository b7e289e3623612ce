/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A terminal that shows one text, drawn anew now and then, and gives keys: ncurses, which also follows its size; it
 * is given back while the program is stopped. Whoever begins it has taken care of SIGINT, SIGTERM and SIGHUP
 * before (interrupt.h) and ends it whatever happens, so that the terminal is as it was.
 */
#ifndef PINPOOL_TOOLS_SCREEN_H
#define PINPOOL_TOOLS_SCREEN_H

#include <stdbool.h>

enum {
	/* No key, but the terminal has another size. */
	SCREEN_RESIZED = 0x1000,
	SCREEN_UP,
	SCREEN_DOWN,
	/* Its other end is gone. */
	SCREEN_GONE,
};

/* Standard input and output are a terminal. False if ncurses does not know its kind. */
bool screen_begin(void);
/* A second time does no harm. */
void screen_end(void);

/*
 * Shows @status, then the lines of @text from @first on below its first one, which stays and stands out, as many as
 * fit;
 * @keys at the bottom.
 */
void screen_draw(const char *status, const char *text, int first, const char *keys);

/* Waits for a key, at most @ms. Returns it, or 0 if there was none; returns early if a signal came. */
int screen_key(int ms);

#endif
