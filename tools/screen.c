/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A terminal by ncurses; see screen.h. Its own handler of SIGTSTP would call it in the middle of a call of it, so there
 * is another one here, which a signal can reach only as a static object.
 */
#include "screen.h"

#include <curses.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stop_asked;

static void on_stop(int number)
{
	stop_asked = 1;
}

/* From now on, unless whoever started this program has it ignored. */
static void catch_stop(void)
{
	struct sigaction action = {.sa_handler = on_stop}, old;

	if (!sigaction(SIGTSTP, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaction(SIGTSTP, &action, NULL);
}

/* Returns when the program goes on. */
static void stop(void)
{
	stop_asked = 0;
	endwin();
	signal(SIGTSTP, SIG_DFL);
	raise(SIGTSTP);
	catch_stop();
	refresh();
}

bool screen_begin(void)
{
	/* What ncurses finds handled it leaves alone. */
	catch_stop();
	/* initscr() would end the program where this fails. */
	if (!newterm(NULL, stdout, stdin))
		return false;
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	return true;
}

void screen_end(void)
{
	if (!isendwin())
		endwin();
}

/* Up to the end of @line or of the screen. */
static void put_line(int y, const char *line, attr_t attributes)
{
	attrset(attributes);
	move(y, 0);
	if (attributes & A_REVERSE)
		hline(' ' | A_REVERSE, COLS);
	addnstr(line, (int)strcspn(line, "\n"));
	attrset(A_NORMAL);
}

static const char *next_line(const char *text)
{
	text += strcspn(text, "\n");
	return *text ? text + 1 : text;
}

void screen_draw(const char *status, const char *text, int first, const char *keys)
{
	const char *line = next_line(text);
	int y;

	erase();
	/* A line that reaches the last column would go on in the next one. */
	put_line(0, status, A_NORMAL);
	put_line(1, text, A_REVERSE);
	for (; first > 0; first--)
		line = next_line(line);
	for (y = 2; *line && y < LINES - 1; y++, line = next_line(line))
		put_line(y, line, A_NORMAL);
	if (LINES > 2) {
		move(LINES - 1, 0);
		clrtoeol();
		put_line(LINES - 1, keys, A_DIM);
	}
	refresh();
}

int screen_key(int ms)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	int key;

	if (stop_asked)
		stop();
	/* getch() would wait on after a signal. */
	if (poll(&in, 1, ms) > 0 && !(in.revents & POLLIN))
		return SCREEN_GONE;
	key = getch();
	switch (key) {
	case ERR:
		return 0;
	case KEY_RESIZE:
		return SCREEN_RESIZED;
	case KEY_UP:
		return SCREEN_UP;
	case KEY_DOWN:
		return SCREEN_DOWN;
	}
	return key;
}
