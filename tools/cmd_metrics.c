/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool metrics: counts and sizes as Prometheus reads them, on standard output, in a file, or asked for by HTTP. */
#include "commands.h"
#include "error.h"
#include "exposition.h"
#include "interrupt.h"
#include "metrics_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct metrics_args {
	const char *output;
	const char *listen;
};

static const struct option_spec options[] = {
	OPTION('o', "output", "FILE", "write to this file, all of it at once", OPTION_TEXT, struct metrics_args,
	       output),
	OPTION('l', "listen", "[ADDR:]PORT", "answer GET /metrics there until SIGTERM; 127.0.0.1 without ADDR",
	       OPTION_TEXT, struct metrics_args, listen),
	{0},
};

/* Beside @path, then in its place, so that whoever reads @path sees the old text or the new one. */
static int write_file(struct cli *cli, const char *path, const char *text, size_t size)
{
	char *temporary;
	size_t done = 0;
	ssize_t n;
	int fd, err = 0;

	/* What does not end in .prom is not read by a collector. */
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return error_errno(cli, NULL, ENOMEM);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		err = errno;
		goto out;
	}
	/* The collector is another user. */
	if (fchmod(fd, 0644))
		err = errno;
	while (!err && done < size) {
		n = write(fd, text + done, size - done);
		if (n < 0 && errno != EINTR)
			err = errno;
		done += n > 0 ? (size_t)n : 0;
	}
	if (close(fd) && !err)
		err = errno;
	if (!err && rename(temporary, path))
		err = errno;
	if (err)
		unlink(temporary);
out:
	free(temporary);
	return err ? error_errno(cli, path, err) : STATUS_OK;
}

static int write_once(struct cli *cli, const char *path)
{
	struct pinpool_diag diag = {0};
	size_t size;
	char *text;
	int err, status = STATUS_OK;

	err = exposition_make(cli->ctx, &text, &size, &diag);
	if (err)
		return error_diag(cli, err, &diag);
	if (path)
		status = write_file(cli, path, text, size);
	else
		fwrite(text, 1, size, stdout);
	free(text);
	return status;
}

/* Until a signal, which is how a server ends well. */
static int serve(struct cli *cli, const char *where)
{
	const volatile int *interrupted = interrupt_begin();
	struct metrics_server *server;
	struct pinpool_diag diag = {0};
	int err;

	err = metrics_server_begin(&server, cli->ctx, where, &diag);
	if (err == -EINVAL)
		return error_usage(cli, "--listen",
				   "a port, or an address and a port such as 0.0.0.0:9750 or [::]:9750",
				   "'%s' is not a value it takes", where);
	if (err)
		return error_diag(cli, err, &diag);
	while (!*interrupted)
		poll(NULL, 0, 100);
	metrics_server_end(server);
	return STATUS_OK;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct metrics_args *args = data;
	int status;

	if (args->output && args->listen)
		return error_usage(cli, "--listen", "leave one of them out", "not together with --output");
	status = cli_open(cli);
	if (status)
		return status;
	return args->listen ? serve(cli, args->listen) : write_once(cli, args->output);
}

const struct command command_metrics = {
	.name = "metrics",
	.operands = "",
	.max_operands = 0,
	.summary = "print counts and sizes for Prometheus",
	.example = "  pinpool metrics --output /var/lib/prometheus/node-exporter/pinpool.prom",
	.options = options,
	.args_size = sizeof(struct metrics_args),
	.run = run,
};
