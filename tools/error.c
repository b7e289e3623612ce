/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Error lines; see error.h. A line leaves in one write, so that lines of several processes do not mix, and control
 * characters in names are escaped, so that a file called "a\nb" still makes one line.
 */
#include "error.h"
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct line {
	char text[2048];
	size_t length;
};

static void append(struct line *line, const char *s)
{
	/* Room for the longest escape, the newline and the terminating NUL. */
	for (; *s && line->length + 6 < sizeof(line->text); s++) {
		unsigned char c = *s;

		if (c < ' ' || c == 0x7f)
			line->length += sprintf(line->text + line->length, "\\x%02x", c);
		else
			line->text[line->length++] = c;
	}
	line->text[line->length] = '\0';
}

static void begin(struct line *line, const struct cli *cli)
{
	line->length = 0;
	append(line, "pinpool: ");
	if (cli->command) {
		append(line, cli->command);
		append(line, ": ");
	}
}

static void finish(struct line *line)
{
	ssize_t n;

	line->text[line->length++] = '\n';
	/* There is nowhere to report that standard error is gone. */
	n = write(STDERR_FILENO, line->text, line->length);
	(void)n;
}

static void emit(const struct cli *cli, const char *object, const char *cause, const char *change)
{
	struct line line;

	/* What was said before comes first where both go to the same place. */
	fflush(stdout);
	if (cli->screen_end)
		cli->screen_end();
	begin(&line, cli);
	if (object && *object) {
		append(&line, object);
		append(&line, ": ");
	}
	append(&line, cause);
	if (change && *change) {
		append(&line, " (");
		append(&line, change);
		append(&line, ")");
	}
	finish(&line);
}

int error_diag(const struct cli *cli, int err, const struct pinpool_diag *diag)
{
	emit(cli, diag->object, *diag->cause ? diag->cause : strerror(-err), diag->change);
	return STATUS_FAILED;
}

int error_line(const struct cli *cli, const char *object, const char *change, const char *cause_fmt, ...)
{
	char cause[1024];
	va_list ap;

	va_start(ap, cause_fmt);
	vsnprintf(cause, sizeof(cause), cause_fmt, ap);
	va_end(ap);
	emit(cli, object, cause, change);
	return STATUS_FAILED;
}

int error_usage(const struct cli *cli, const char *object, const char *change, const char *cause_fmt, ...)
{
	char cause[1024], help[128];
	va_list ap;

	va_start(ap, cause_fmt);
	vsnprintf(cause, sizeof(cause), cause_fmt, ap);
	va_end(ap);
	if (!change) {
		snprintf(help, sizeof(help), "see pinpool%s%s --help", cli->command ? " " : "",
			 cli->command ? cli->command : "");
		change = help;
	}
	emit(cli, object, cause, change);
	return STATUS_USAGE;
}

int error_errno(const struct cli *cli, const char *object, int err)
{
	return error_line(cli, object, NULL, "%s", strerror(err < 0 ? -err : err));
}

void error_log(void *arg, enum pinpool_log_level level, const char *msg)
{
	const struct cli *cli = arg;
	struct line line;

	if (cli->screen_end)
		return;
	if (cli->progress)
		progress_end(cli->progress);
	begin(&line, cli);
	append(&line, msg);
	finish(&line);
}
